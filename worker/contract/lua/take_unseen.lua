-- Takes the runs whose outcome is due to be told. What is taken is out of others' sight for a while, so that no two processes
-- tell of a run at one time; unless it is removed or put off, it then comes back.
-- KEYS[1]: unseen. ARGV: delay, time out of sight (both in ms), most to take, most to keep listed.
-- Answers: {count of runs that were dropped because too many are listed, {run id …}}.

local key = KEYS[1]
local now = now_ms()
local dropped = redis.call('ZREMRANGEBYRANK', key, 0, -1 - ARGV[4])
local due = redis.call('ZRANGEBYSCORE', key, '-inf', ms(now - ARGV[1]), 'LIMIT', 0, ARGV[3])
for _, run_id in ipairs(due) do
  redis.call('ZADD', key, ms(now + ARGV[2] - ARGV[1]), run_id)
end
return {dropped, due}
