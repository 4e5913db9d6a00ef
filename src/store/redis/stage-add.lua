-- Adds records to the key set that is being staged. See stage.rs for keys and arguments.
local staged, records, claims = KEYS[6], KEYS[7], KEYS[8]
if redis.call('GET', staged) ~= ARGV[1] then return { 'overtaken' } end
local at = 2
while ARGV[at] do
  local key, value = ARGV[at], ARGV[at + 1]
  if redis.call('HSETNX', records, key, value) == 0 and redis.call('HGET', records, key) ~= value then
    return { 'revision', key }
  end
  local last = at + 2 + tonumber(ARGV[at + 2])
  for i = at + 3, last do
    if redis.call('HSETNX', claims, ARGV[i], key) == 0 and redis.call('HGET', claims, ARGV[i]) ~= key then
      return { 'claim', ARGV[i] }
    end
  end
  at = last + 1
end
return { 'ok' }
