-- A worker gives its attempt back: to another worker, or to wait for a person.
-- ARGV: attempt, token, queued or waiting, reason in words.
-- Answers: the state after it (queued as well when a person has decided meanwhile), or lost.

-- When the first of the decisions that it waits for will be overdue.
local function decide_by()
  local soonest = 0
  for _, field in ipairs(redis.call('HKEYS', approvals)) do
    local call_id = string.match(field, '^(.*):expires$')
    if call_id and redis.call('HEXISTS', approvals, call_id .. ':decision') == 0 then
      local expires_at = tonumber(redis.call('HGET', approvals, field))
      soonest = soonest == 0 and expires_at or math.min(soonest, expires_at)
    end
  end
  return soonest
end

local state, attempt, token, decided = unpack(redis.call('HMGET', run, 'state', 'attempt', 'token', 'decided_attempt'))
if state ~= 'running' or attempt ~= ARGV[1] or token ~= ARGV[2] then
  return 'lost'
end
if ARGV[3] == 'waiting' and decided ~= attempt then
  redis.call('HSET', run, 'state', 'waiting', 'decide_by', ms(decide_by()), 'lease_until', 0, 'owner', '',
    'resume_reason', '')
  return 'waiting'
end
queue(now_ms(), 0, ARGV[4])
return 'queued'
