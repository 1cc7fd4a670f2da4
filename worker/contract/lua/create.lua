-- Stores a new run, once. A repeat with the same id (a client that tries again) changes nothing.
-- KEYS: run. ARGV: field, value, field, value …
-- Answers: created, or exists.

if redis.call('EXISTS', KEYS[1]) == 1 then
  return 'exists'
end
redis.call('HSET', KEYS[1], 'state', 'queued', 'created_at', string.format('%.0f', now_ms()), unpack(ARGV))
return 'created'
