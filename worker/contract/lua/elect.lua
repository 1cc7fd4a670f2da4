-- Lets one process at a time sweep for runs that nobody works on. After a gap in the sweeping (the server was away, or no
-- process was there) leases are left alone for a moment: nobody could renew them either.
-- KEYS[1]: reaper. ARGV: process id, term in ms, longest gap in ms, moment in ms.
-- Answers: {1, now, leases are left alone until} or {0, now, 0}.

local key = KEYS[1]
local now = now_ms()
local holder, until_ms, swept_at, quiet_until =
  unpack(redis.call('HMGET', key, 'holder', 'until', 'swept_at', 'quiet_until'))
if holder and holder ~= ARGV[1] and tonumber(until_ms) > now then
  return {0, now, 0}
end
quiet_until = tonumber(quiet_until or 0)
if now - tonumber(swept_at or 0) > tonumber(ARGV[3]) then
  quiet_until = now + ARGV[4]
end
redis.call('HSET', key, 'holder', ARGV[1], 'until', ms(now + ARGV[2]), 'swept_at', ms(now), 'quiet_until', ms(quiet_until))
return {1, now, quiet_until}
