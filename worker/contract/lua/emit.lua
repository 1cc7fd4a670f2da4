-- Prefix of every script on a run. An event, its number and its notice are one fact: nobody can see one without the others.
-- KEYS: run, log, journal, approvals, delivery, then what the script wants beside them.

local run, log, journal, approvals, delivery = unpack(KEYS, 1, 5)

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function ms(value)
  return string.format('%.0f', value)
end

local function is_finished(state)
  return state == 'completed' or state == 'failed' or state == 'cancelled'
end

-- `head` and `tail` are the halves of the event's JSON text; `seq` and `cursor` belong between them.
local function emit(channel, tag, head, tail)
  local seq = redis.call('HINCRBY', run, 'last_seq', 1)
  local cursor = seq .. '-' .. tag
  local event = head .. '"seq":' .. seq .. ',"cursor":"' .. cursor .. '",' .. tail
  redis.call('XADD', log, seq .. '-0', 'e', event)
  redis.call('HSET', run, 'last_cursor', cursor)
  redis.call('PUBLISH', channel, event)
  return seq, cursor
end

-- The run waits for a worker from now on.
local function queue(now, delay_ms, reason)
  redis.call('HSET', run, 'state', 'queued', 'queued_at', ms(now), 'ready_at', ms(now + delay_ms), 'rung_at', 0,
    'resume_reason', reason, 'noticed', 0, 'lease_until', 0, 'owner', '')
end

-- From here on the run refuses every write, and its keys begin to age.
local function finish(state, retention_ms)
  redis.call('HSET', run, 'state', state, 'ended_at', ms(now_ms()), 'lease_until', 0, 'owner', '')
  redis.call('UNLINK', journal)
  for _, key in ipairs({run, log, approvals, delivery}) do
    redis.call('PEXPIRE', key, retention_ms)
  end
end
