-- Stores the first decision on an approval, tells every viewer, and sends a run that waited for it back to the queue.
-- ARGV: channel, call id, person or clock, decision as JSON, attempt that the event was made for, tag, head, tail of
-- approval_resolved.
-- Answers: {ok, state after it} | {missing} | {finished} | {stopping} | {expired} | {early} | {moved} (another attempt has
-- begun: make the event anew) | {decided, the first decision}.

local state, attempt, cancel_by = unpack(redis.call('HMGET', run, 'state', 'attempt', 'cancel_by'))
local expires_at, made = unpack(redis.call('HMGET', approvals, ARGV[2] .. ':expires', ARGV[2] .. ':decision'))
if not state or not expires_at then
  return {'missing'}
end
if made then
  return {'decided', made}
end
if is_finished(state) then
  return {'finished'}
end
if cancel_by then
  return {'stopping'}
end
local now = now_ms()
if ARGV[3] == 'person' and now >= tonumber(expires_at) then
  return {'expired'}
end
if ARGV[3] == 'clock' and now < tonumber(expires_at) then
  return {'early'}
end
if attempt ~= ARGV[5] then
  return {'moved'}
end
redis.call('HSET', approvals, ARGV[2] .. ':decision', ARGV[4])
emit(ARGV[1], ARGV[6], ARGV[7], ARGV[8])
if state == 'waiting' then
  queue(now, 0, '')
  return {'ok', 'queued'}
end
redis.call('HSET', run, 'decided_attempt', attempt)
return {'ok', state}
