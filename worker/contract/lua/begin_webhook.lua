-- Counts a try to tell by webhook how a run ended, unless there is no need for one any more.
-- ARGV: most tries.
-- Answers: {gone} (no such run, or it has not ended) | {seen} | {told} | {spent} (all tries were made) |
-- {try, its number, {field, value …}} with the record.

local state, seen_at, told_at, tries =
  unpack(redis.call('HMGET', run, 'state', 'outcome_seen_at', 'outcome_told_at', 'webhook_tries'))
if not state or not is_finished(state) then
  return {'gone'}
end
if tonumber(seen_at or 0) > 0 then
  return {'seen'}
end
if told_at then
  return {'told'}
end
if tonumber(tries or 0) >= tonumber(ARGV[1]) then
  return {'spent'}
end
return {'try', redis.call('HINCRBY', run, 'webhook_tries', 1), redis.call('HGETALL', run)}
