-- Gives an empty namespace its epoch; leaves any other as it is, but that a person may take over what a sidecar
-- began at its start.
-- ARGV: epoch, schema, the empty audit head, the KEK's id, its check value, origin, epoch continued or nothing.
for _, key in ipairs(KEYS) do
  if key == KEYS[1] then
    local found = redis.call('TYPE', key).ok
    if found ~= 'none' and found ~= 'hash' then return { 'type', key, found } end
    local stands = redis.call('HMGET', key, 'epoch', 'origin')
    if stands[1] then
      if ARGV[6] == 'command' and (not stands[2] or stands[2] == 'start') then
        redis.call('HSET', key, 'origin', ARGV[6])
      end
      return { 'ok', stands[1] }
    end
  end
  if redis.call('EXISTS', key) == 1 then return { 'foreign' } end
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'schema', ARGV[2], 'mac', ARGV[3], 'position', '0-0',
  'kek', ARGV[4], 'kek_check', ARGV[5], 'origin', ARGV[6])
if ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'continues', ARGV[7]) end
return { 'ok', ARGV[1] }
