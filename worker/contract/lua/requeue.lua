-- Puts a run whose worker has died back into the queue.
-- ARGV: attempt, back-off in ms, reason in words.
-- Answers: ok, or no: it is not running any more, in another attempt, or its lease was renewed.

local state, attempt, lease_until = unpack(redis.call('HMGET', run, 'state', 'attempt', 'lease_until'))
local now = now_ms()
if state ~= 'running' or attempt ~= ARGV[1] or tonumber(lease_until) > now then
  return 'no'
end
redis.call('HINCRBY', run, 'losses', 1)
queue(now, ARGV[2], ARGV[3])
return 'ok'
