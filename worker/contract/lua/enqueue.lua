-- Puts a run at the end of its thread's queue, once.
-- KEYS[1]: queue. ARGV: run id, life in ms.
-- Answers: how many runs are before it.

local key = KEYS[1]
local place = redis.call('LPOS', key, ARGV[1])
if not place then
  place = redis.call('RPUSH', key, ARGV[1]) - 1
end
redis.call('PEXPIRE', key, ARGV[2])
return place
