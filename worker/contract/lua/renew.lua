-- Prolongs the lease of an attempt.
-- ARGV: attempt, token, last producer number that was answered, lease in ms.
-- Answers: {ok, who asked for a stop or ''} | {lost} | {behind} (the server has lost the claim or writes: see `restore`).

local state, attempt, token, number, cancel_by =
  unpack(redis.call('HMGET', run, 'state', 'attempt', 'token', 'number', 'cancel_by'))
if not state or tonumber(attempt or 0) < tonumber(ARGV[1]) then
  return {'behind'}
end
if state ~= 'running' or attempt ~= ARGV[1] or token ~= ARGV[2] then
  return {'lost'}
end
local now = now_ms()
redis.call('HSET', run, 'lease_until', ms(now + ARGV[4]), 'renewed_at', ms(now))
if tonumber(number) < tonumber(ARGV[3]) then
  return {'behind'}
end
return {'ok', cancel_by or ''}
