-- Stores a new run, once. A repeat with the same id (a client that tries again) changes nothing.
-- ARGV: field, value, field, value …
-- Answers: created, or exists.

if redis.call('EXISTS', run) == 1 then
  return 'exists'
end
local now = ms(now_ms())
redis.call('HSET', run, 'state', 'queued', 'created_at', now, 'queued_at', now, unpack(ARGV))
return 'created'
