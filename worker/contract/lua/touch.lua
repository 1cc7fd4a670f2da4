-- Notes the server's time in a field of a queued run; never makes a record of its own.
-- ARGV: field. Answers: 1, or 0 when the run is not queued.

if redis.call('HGET', run, 'state') ~= 'queued' then
  return 0
end
redis.call('HSET', run, ARGV[1], ms(now_ms()))
return 1
