-- Notes that a webhook has taken a run's outcome; never makes a record of its own.
-- Answers: 1, or 0 when there is no such run.

if redis.call('EXISTS', run) == 0 then
  return 0
end
redis.call('HSET', run, 'outcome_told_at', ms(now_ms()))
return 1
