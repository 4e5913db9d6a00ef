-- Gives an empty namespace its epoch; leaves any other as it is.
-- ARGV: epoch, schema, the empty audit head, the KEK's id, its check value.
for _, key in ipairs(KEYS) do
  if key == KEYS[1] then
    local found = redis.call('TYPE', key).ok
    if found ~= 'none' and found ~= 'hash' then return { 'type', key, found } end
    local epoch = redis.call('HGET', key, 'epoch')
    if epoch then return { 'ok', epoch } end
  end
  if redis.call('EXISTS', key) == 1 then return { 'foreign' } end
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'schema', ARGV[2], 'mac', ARGV[3], 'position', '0-0',
  'kek', ARGV[4], 'kek_check', ARGV[5])
return { 'ok', ARGV[1] }
