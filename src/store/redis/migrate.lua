-- Raises the schema of a namespace; never lowers it.
-- ARGV: schema.
local found = redis.call('HMGET', KEYS[1], 'epoch', 'schema')
if not found[1] or not found[2] then return { 'uninitialised' } end
local from, to = tonumber(found[2]) or 0, tonumber(ARGV[1])
if from >= to then return { 'ok', tostring(from), tostring(from) } end
redis.call('HSET', KEYS[1], 'schema', ARGV[1])
return { 'ok', tostring(from), ARGV[1] }
