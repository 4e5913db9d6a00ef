-- Begins to stage a key set aside of a namespace that is free. See stage.rs for keys and arguments.
local meta, records, claims, log, audit, staged, staged_records, staged_claims =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local found = redis.call('TYPE', meta).ok
if found ~= 'none' and found ~= 'hash' then return { 'type', meta, found } end
if redis.call('EXISTS', records, claims, log, audit) > 0 then
  return { 'occupied', tostring(redis.call('HLEN', records)), tostring(redis.call('XLEN', audit)) }
end
redis.call('UNLINK', staged_records, staged_claims)
redis.call('SET', staged, ARGV[1])
return { 'ok' }
