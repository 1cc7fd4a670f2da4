-- Writes one event of a run: refuses a stale attempt and a finished run, answers a repeat of the same producer number with
-- the first answer, else numbers, stores and publishes the event and, with a last event, ends the run.
-- KEYS: run, log [, result]
-- ARGV: channel, attempt, producer number, tag, head, tail, end state or '', retention in ms, answer, usage [, result]
-- Answers: {ok, seq, cursor} | {missing} | {stale} | {finished}.

local run, log, result = KEYS[1], KEYS[2], KEYS[3]
local attempt, number, end_state, retention_ms = ARGV[2], tonumber(ARGV[3]), ARGV[7], ARGV[8]

local state, holder, last_number, last_seq, last_cursor =
  unpack(redis.call('HMGET', run, 'state', 'attempt', 'number', 'last_seq', 'last_cursor'))
if not state then
  return {'missing'}
end
if attempt ~= holder then
  return {'stale'}
end
-- Before the check for a finished run: the repeat may be that of the last event.
if number == tonumber(last_number) then
  return {'ok', tonumber(last_seq), last_cursor}
end
if state ~= 'running' then
  return {'finished'}
end
if number ~= tonumber(last_number) + 1 then
  return redis.error_reply('OUTLOUD producer number ' .. number .. ' after ' .. last_number)
end

if result then
  redis.call('SET', result, ARGV[11])
  redis.call('PEXPIRE', result, retention_ms)
end
local seq, cursor = emit(run, log, ARGV[1], ARGV[4], ARGV[5], ARGV[6])
redis.call('HSET', run, 'number', number)
if end_state ~= '' then
  redis.call('HSET', run, 'answer', ARGV[9], 'usage', ARGV[10])
  finish(run, log, end_state, retention_ms)
end
return {'ok', seq, cursor}
