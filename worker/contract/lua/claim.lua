-- Gives the next attempt to a worker, with a lease.
-- KEYS: run. ARGV: worker id, its control channel, lease in ms.
-- Answers: {missing} | {finished} | {busy} (another worker holds a live lease) | {ok, {field, value …}} with the new record.

local run = KEYS[1]
local state, lease_until = unpack(redis.call('HMGET', run, 'state', 'lease_until'))
if not state then
  return {'missing'}
end
if state == 'completed' or state == 'failed' or state == 'cancelled' then
  return {'finished'}
end
local now = now_ms()
if state == 'running' and tonumber(lease_until or 0) > now then
  return {'busy'}
end
redis.call('HINCRBY', run, 'attempt', 1)
redis.call('HSETNX', run, 'started_at', string.format('%.0f', now))
redis.call('HSET', run, 'state', 'running', 'owner', ARGV[1], 'control', ARGV[2],
  'lease_until', string.format('%.0f', now + ARGV[3]), 'number', 0)
return {'ok', redis.call('HGETALL', run)}
