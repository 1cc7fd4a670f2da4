-- Lists a run that has just ended among those whose outcome somebody has still to see, once.
-- KEYS[1]: unseen. ARGV: run id.
-- Answers: 1, or 0 when it is listed already.

return redis.call('ZADD', KEYS[1], 'NX', ms(now_ms()), ARGV[1])
