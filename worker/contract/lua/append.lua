-- Writes one event of a run, or only its journal: refuses a stale attempt and a finished run, answers a repeat of the same
-- producer number with the first answer, else numbers, stores and publishes the event together with the journal entries and
-- the approval that belong to it and, with a last event, ends the run.
-- KEYS[6]: result, if there is one.
-- ARGV: channel, attempt, token, producer number, tag, head or '' (no event), tail, longest silence from now in ms,
-- end state or '', retention in ms, answer, usage, result, count of journal fields, journal field, value …,
-- approval field, value …
-- Answers: {ok, seq, cursor} | {missing} | {stale} | {finished} | {behind, last producer number} (the server has lost what
-- was written since).

local channel, attempt, token, number = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local end_state, retention_ms = ARGV[9], ARGV[10]

local state, holder, holder_token, last_number, last_cursor =
  unpack(redis.call('HMGET', run, 'state', 'attempt', 'token', 'number', 'number_cursor'))
if not state then
  return {'missing'}
end
-- Attempts are given out by the server alone: one that it does not know yet is one that it has forgotten.
if tonumber(attempt) > tonumber(holder or 0) then
  return {'behind', 0}
end
if attempt ~= holder or token ~= holder_token then
  return {'stale'}
end
-- Before the check for a finished run: the repeat may be that of the last event.
last_number = tonumber(last_number)
if number <= last_number then
  return {'ok', tonumber(string.match(last_cursor, '^%d+') or 0), last_cursor}
end
if state ~= 'running' then
  return {'finished'}
end
if number ~= last_number + 1 then
  return {'behind', last_number}
end

if KEYS[6] then
  redis.call('SET', KEYS[6], ARGV[13])
  redis.call('PEXPIRE', KEYS[6], retention_ms)
end
local first_approval = 15 + 2 * tonumber(ARGV[14])
for place = 15, #ARGV, 2 do
  local key = place < first_approval and journal or approvals
  redis.call('HSET', key, ARGV[place], ARGV[place + 1])
end
local seq, cursor = 0, last_cursor
if ARGV[6] ~= '' then
  seq, cursor = emit(channel, ARGV[5], ARGV[6], ARGV[7])
end
local now = now_ms()
redis.call('HSET', run, 'number', number, 'number_cursor', cursor, 'written_at', ms(now),
  'progress_until', ms(now + ARGV[8]))
if end_state ~= '' then
  redis.call('HSET', run, 'answer', ARGV[11], 'usage', ARGV[12])
  finish(end_state, retention_ms)
end
return {'ok', seq, cursor}
