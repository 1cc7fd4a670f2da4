-- Stores the wish to stop a run before anyone is told of it. A run that nobody has begun ends here and now, with a story of
-- two events; the worker of a running one is woken.
-- KEYS: run, log
-- ARGV: by, channel, retention in ms, run id, then tag, head, tail of agent_started and tag, head, tail of agent_cancelled
-- Answers: the state after it, or missing.

local run, log = KEYS[1], KEYS[2]
local state, last_seq, control = unpack(redis.call('HMGET', run, 'state', 'last_seq', 'control'))
if not state then
  return 'missing'
end
if state == 'completed' or state == 'failed' or state == 'cancelled' then
  return state
end
redis.call('HSETNX', run, 'cancel_by', ARGV[1])
if state == 'queued' and not last_seq then
  emit(run, log, ARGV[2], ARGV[5], ARGV[6], ARGV[7])
  emit(run, log, ARGV[2], ARGV[8], ARGV[9], ARGV[10])
  finish(run, log, 'cancelled', ARGV[3])
  return 'cancelled'
end
if control then
  redis.call('PUBLISH', control, 'cancel ' .. ARGV[4])
end
return state
