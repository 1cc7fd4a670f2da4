-- Gives a run that the server has lost, and that nobody can bring back, an end that can be seen.
-- ARGV: channel, end state, retention in ms, count of record fields, field, value …, then tag, head, tail of each event.
-- Answers: ok, or exists.

if redis.call('EXISTS', run) == 1 then
  return 'exists'
end
redis.call('UNLINK', log, journal, approvals)
local first_event = 5 + 2 * tonumber(ARGV[4])
redis.call('HSET', run, unpack(ARGV, 5, first_event - 1))
for place = first_event, #ARGV, 3 do
  emit(ARGV[1], ARGV[place], ARGV[place + 1], ARGV[place + 2])
end
finish(ARGV[2], ARGV[3])
return 'ok'
