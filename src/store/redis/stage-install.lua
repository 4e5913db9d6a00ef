-- Puts the staged key set in place: records, claims, log, audit and epoch in one step. See stage.rs.
local meta, records, claims, log, audit, staged, staged_records, staged_claims =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local mark, count, epoch, schema, mac, event, kek, kek_check, previous, continues = unpack(ARGV)
-- A second copy of a step whose answer was lost.
if redis.call('HGET', meta, 'epoch') == epoch then return { 'ok' } end
if redis.call('GET', staged) ~= mark then return { 'overtaken' } end
if redis.call('EXISTS', records, claims, log, audit) > 0 then
  return { 'occupied', tostring(redis.call('HLEN', records)), tostring(redis.call('XLEN', audit)) }
end
if redis.call('HLEN', staged_records) ~= tonumber(count) then return { 'count' } end
-- Whatever an ACL may deny, before the first write.
if redis.acl_check_cmd then
  if not redis.acl_check_cmd('RENAME', staged_records, records) then return { 'denied', 'RENAME' } end
  if not redis.acl_check_cmd('DEL', meta) then return { 'denied', 'DEL' } end
  if not redis.acl_check_cmd('XADD', log, '*', 'm', '') then return { 'denied', 'XADD' } end
  if not redis.acl_check_cmd('HSET', meta, 'mac', '') then return { 'denied', 'HSET' } end
end
-- An epoch with nothing else in the namespace goes, and with it what it says of keys and origin.
redis.call('DEL', meta)
local position = redis.call('XADD', audit, '*', 'm', mac, 'e', event)
redis.call('XADD', log, position, 'p', previous, 'm', mac, 'c', '')
if redis.call('EXISTS', staged_records) == 1 then redis.call('RENAME', staged_records, records) end
if redis.call('EXISTS', staged_claims) == 1 then redis.call('RENAME', staged_claims, claims) end
redis.call('HSET', meta, 'epoch', epoch, 'schema', schema, 'mac', mac, 'position', position,
  'kek', kek, 'kek_check', kek_check, 'origin', 'import', 'continues', continues)
redis.call('DEL', staged)
return { 'ok' }
