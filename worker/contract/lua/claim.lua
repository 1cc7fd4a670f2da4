-- Gives the next attempt at a queued run to a worker, with a lease. A running run whose worker has died is put back into
-- the queue by `requeue` only, so that there is one place that counts losses.
-- ARGV: worker id, its control channel, token, lease in ms, longest silence in ms.
-- Answers: {missing} | {finished} | {busy} (running or waiting) | {later} (not before its time) |
-- {shunned, queue, agent} (another worker should have it) | {ok, {field, value …}} with the new record.

local state, ready_at, holder, shunned, shunned_until =
  unpack(redis.call('HMGET', run, 'state', 'ready_at', 'token', 'shunned', 'shunned_until'))
if not state then
  return {'missing'}
end
if is_finished(state) then
  return {'finished'}
end
if state == 'running' and holder == ARGV[3] then
  -- The repeat of a claim whose answer was lost.
  return {'ok', redis.call('HGETALL', run)}
end
if state ~= 'queued' then
  return {'busy'}
end
local now = now_ms()
if tonumber(ready_at or 0) > now then
  return {'later'}
end
-- It was taken from this worker so that another one gets it.
if shunned == ARGV[1] and tonumber(shunned_until) > now then
  return {'shunned', unpack(redis.call('HMGET', run, 'queue', 'agent'))}
end
redis.call('HINCRBY', run, 'attempt', 1)
redis.call('HSETNX', run, 'started_at', ms(now))
redis.call('HSET', run, 'state', 'running', 'owner', ARGV[1], 'control', ARGV[2], 'token', ARGV[3],
  'lease_until', ms(now + ARGV[4]), 'progress_until', ms(now + ARGV[5]), 'renewed_at', ms(now), 'written_at', ms(now),
  'claimed_at', ms(now), 'number', 0, 'number_cursor', '')
return {'ok', redis.call('HGETALL', run)}
