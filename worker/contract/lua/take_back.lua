-- Takes a run away from the worker that has it, because a person wants another one to go on with it. No worker was lost
-- over it. What the old attempt still writes is refused; a look at the run tells its worker that it is over.
-- ARGV: attempt, reason in words, how long the worker may not take it again in ms, run id.
-- Answers: ok | missing | moved (it is in another attempt, or no worker has it).

local state, attempt, owner, control = unpack(redis.call('HMGET', run, 'state', 'attempt', 'owner', 'control'))
if not state then
  return 'missing'
end
if state ~= 'running' or attempt ~= ARGV[1] then
  return 'moved'
end
local now = now_ms()
queue(now, 0, ARGV[2])
redis.call('HSET', run, 'shunned', owner or '', 'shunned_until', ms(now + ARGV[3]))
if control then
  redis.call('PUBLISH', control, 'look ' .. ARGV[4])
end
return 'ok'
