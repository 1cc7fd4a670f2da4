-- Prolongs the lease of an attempt.
-- KEYS: run. ARGV: attempt, lease in ms.
-- Answers: {ok, who asked for a stop or ''} | {lost}.

local run = KEYS[1]
local state, attempt, cancel_by = unpack(redis.call('HMGET', run, 'state', 'attempt', 'cancel_by'))
if state ~= 'running' or attempt ~= ARGV[1] then
  return {'lost'}
end
redis.call('HSET', run, 'lease_until', string.format('%.0f', now_ms() + ARGV[2]))
return {'ok', cancel_by or ''}
