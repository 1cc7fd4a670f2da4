-- Gives an attempt back what the server has lost of it (a restart without the last writes, a failover): its claim, or the
-- whole record of a run that began with it. The writer then sends again what was written since.
-- ARGV: attempt, token, highest event number at the claim, worker id, control channel, lease in ms, longest silence in ms,
-- then field, value … of the record.
-- Answers: {ok, last producer number} | {stale} | {finished} | {lost}: earlier attempts' events are gone with it.

local state, attempt, token, last_seq, number =
  unpack(redis.call('HMGET', run, 'state', 'attempt', 'token', 'last_seq', 'number'))
local mine, base = tonumber(ARGV[1]), tonumber(ARGV[3])
attempt, last_seq = tonumber(attempt or 0), tonumber(last_seq or 0)
if state and is_finished(state) then
  return {'finished'}
end
if attempt > mine or (attempt == mine and token ~= ARGV[2]) then
  return {'stale'}
end
if attempt == mine then
  return {state == 'running' and 'ok' or 'stale', tonumber(number)}
end
if last_seq ~= base then
  return {'lost'}
end
if not state then
  -- What is left beside it cannot be trusted, and would stand in the way of what is written again.
  redis.call('UNLINK', log, journal, approvals)
  redis.call('HSET', run, unpack(ARGV, 8))
end
local now = now_ms()
redis.call('HSETNX', run, 'started_at', ms(now))
redis.call('HSET', run, 'state', 'running', 'attempt', mine, 'token', ARGV[2], 'owner', ARGV[4], 'control', ARGV[5],
  'lease_until', ms(now + ARGV[6]), 'progress_until', ms(now + ARGV[7]), 'renewed_at', ms(now), 'written_at', ms(now),
  'claimed_at', ms(now), 'number', 0, 'number_cursor', '')
return {'ok', 0}
