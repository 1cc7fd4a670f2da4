-- Gives the next attempt to a worker, with a lease.
-- KEYS: run. ARGV: worker id, its control channel, lease in ms, 'again' at a second look or ''.
-- Answers: {missing} | {finished} | {busy} (another worker holds a live lease) | {lapsed} (look again a little later) |
-- {ok, {field, value …}} with the new record.

local run = KEYS[1]
local state, lease_until = unpack(redis.call('HMGET', run, 'state', 'lease_until'))
if not state then
  return {'missing'}
end
if state == 'completed' or state == 'failed' or state == 'cancelled' then
  return {'finished'}
end
local now = now_ms()
lease_until = tonumber(lease_until or 0)
if state == 'running' and lease_until > now then
  return {'busy'}
end
-- While the server was away nobody could renew: the holder gets a moment to do so.
if state == 'running' and lease_until > 0 and ARGV[4] ~= 'again' then
  return {'lapsed'}
end
redis.call('HINCRBY', run, 'attempt', 1)
redis.call('HSETNX', run, 'started_at', string.format('%.0f', now))
redis.call('HSET', run, 'state', 'running', 'owner', ARGV[1], 'control', ARGV[2],
  'lease_until', string.format('%.0f', now + ARGV[3]), 'number', 0)
return {'ok', redis.call('HGETALL', run)}
