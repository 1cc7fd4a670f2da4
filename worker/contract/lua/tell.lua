-- Writes events of a run that no worker writes, and may end it with them.
-- ARGV: channel, highest event number that the events were made for, idle (only while nobody works on it) or any, end state
-- or '' (it goes on waiting), retention in ms, then tag, head, tail of each event.
-- Answers: ok | missing | held (a worker has it) | moved (read it again) | the state of a finished run.

local state, last_seq, lease_until = unpack(redis.call('HMGET', run, 'state', 'last_seq', 'lease_until'))
if not state then
  return 'missing'
end
if is_finished(state) then
  return state
end
if ARGV[3] == 'idle' and state == 'running' and tonumber(lease_until) > now_ms() then
  return 'held'
end
if tonumber(last_seq or 0) ~= tonumber(ARGV[2]) or (ARGV[4] == '' and state ~= 'queued') then
  return 'moved'
end
for place = 6, #ARGV, 3 do
  emit(ARGV[1], ARGV[place], ARGV[place + 1], ARGV[place + 2])
end
if ARGV[4] == '' then
  redis.call('HSET', run, 'noticed', 1)
else
  finish(ARGV[4], ARGV[5])
end
return 'ok'
