-- Stores the wish to stop a run before anyone is told of it, and wakes its worker.
-- ARGV: by, run id.
-- Answers: the state after it, or missing.

local state, control = unpack(redis.call('HMGET', run, 'state', 'control'))
if not state then
  return 'missing'
end
if is_finished(state) then
  return state
end
if redis.call('HSETNX', run, 'cancel_by', ARGV[1]) == 1 then
  redis.call('HSET', run, 'cancel_at', ms(now_ms()))
end
if state == 'running' and control then
  redis.call('PUBLISH', control, 'cancel ' .. ARGV[2])
end
return state
