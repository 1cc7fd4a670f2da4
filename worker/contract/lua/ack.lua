-- Stores how far a viewer has shown a run, and that its outcome was seen. What a viewer has shown only grows.
-- ARGV: user id, viewer, seq, most viewers.
-- Answers: missing (also for another user's run) | seen (the outcome was shown to someone) | open.

local state, user, last_seq, seen_at = unpack(redis.call('HMGET', run, 'state', 'user_id', 'last_seq', 'outcome_seen_at'))
if not state or user ~= ARGV[1] then
  return 'missing'
end
-- Nobody can have been shown more than there is; else a made-up number would count for an outcome that is still to come.
last_seq = tonumber(last_seq or 0)
local seq = math.min(tonumber(ARGV[3]), last_seq)
local now = ms(now_ms())

local stored = redis.call('HGET', delivery, ARGV[2])
local is_more = seq > tonumber(stored and string.match(stored, '^%d+') or 0)
if is_more and (stored or redis.call('HLEN', delivery) < tonumber(ARGV[4])) then
  redis.call('HSET', delivery, ARGV[2], ms(seq) .. ' ' .. now)
  local life = redis.call('PTTL', run)
  if life > 0 then
    redis.call('PEXPIRE', delivery, life)
  end
end

if tonumber(seen_at or 0) > 0 then
  return 'seen'
end
if is_finished(state) and last_seq > 0 and seq >= last_seq then
  redis.call('HSET', run, 'outcome_seen_at', now)
  return 'seen'
end
return 'open'
