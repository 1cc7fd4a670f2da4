-- Prefix of every script that writes events. An event, its number and its notice are one fact: nobody can see one without
-- the others. `head` and `tail` are the halves of the event's JSON text; `seq` and `cursor` belong between them.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function emit(run, log, channel, tag, head, tail)
  local seq = redis.call('HINCRBY', run, 'last_seq', 1)
  local cursor = seq .. '-' .. tag
  local event = head .. '"seq":' .. seq .. ',"cursor":"' .. cursor .. '",' .. tail
  redis.call('XADD', log, seq .. '-0', 'e', event)
  redis.call('HSET', run, 'last_cursor', cursor)
  redis.call('PUBLISH', channel, event)
  return seq, cursor
end

-- From here on the run refuses every write, and its keys begin to age.
local function finish(run, log, state, retention_ms)
  redis.call('HSET', run, 'state', state, 'ended_at', string.format('%.0f', now_ms()), 'lease_until', 0)
  redis.call('PEXPIRE', run, retention_ms)
  redis.call('PEXPIRE', log, retention_ms)
end
