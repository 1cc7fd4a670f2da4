-- A worker gives its attempt back: to another worker, or to wait for a person.
-- ARGV: attempt, token, queued or waiting, reason in words.
-- Answers: the state after it (queued as well when a person has decided meanwhile), or lost.

local state, attempt, token, decided = unpack(redis.call('HMGET', run, 'state', 'attempt', 'token', 'decided_attempt'))
if state ~= 'running' or attempt ~= ARGV[1] or token ~= ARGV[2] then
  return 'lost'
end
if ARGV[3] == 'waiting' and decided ~= attempt then
  redis.call('HSET', run, 'state', 'waiting', 'lease_until', 0, 'owner', '', 'resume_reason', '')
  return 'waiting'
end
queue(now_ms(), 0, ARGV[4])
return 'queued'
