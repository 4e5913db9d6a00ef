-- One commit: every check against the state before it, then every write. See commit.rs for the arguments.
-- A script is not undone where it fails half-way, so whatever can fail is tried first or before any write.
local meta, records, claims, log, audit = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local at = 0
local function nextarg()
  at = at + 1
  return ARGV[at]
end
local function list()
  local items = {}
  for i = 1, tonumber(nextarg()) do items[i] = nextarg() end
  return items
end

local types = { 'hash', 'hash', 'hash', 'stream', 'stream', 'hash', 'stream' }
for i, key in ipairs(KEYS) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= types[i] then return { 'type', key, found } end
end
if redis.acl_check_cmd then
  if not redis.acl_check_cmd('XADD', log, '*', 'm', '') then return { 'denied', 'XADD' } end
  if not redis.acl_check_cmd('XDEL', audit, '0-1') then return { 'denied', 'XDEL' } end
  if not redis.acl_check_cmd('HSET', meta, 'mac', '') then return { 'denied', 'HSET' } end
  if not redis.acl_check_cmd('HDEL', records, '-') then return { 'denied', 'HDEL' } end
end

local previous, mac, event, changes, keep = nextarg(), nextarg(), nextarg(), nextarg(), nextarg()
local schema = nextarg()
local head = redis.call('HMGET', meta, 'epoch', 'mac', 'position', 'schema', 'checkpoint')
if not head[1] then return { 'uninitialised' } end
-- A later version may have added what this one would drop.
if (tonumber(head[4]) or 0) > tonumber(schema) then return { 'schema', head[4] } end
if head[2] == mac then return { 'ok', head[3] } end
if head[2] ~= previous then return { 'moved' } end

for _, key in ipairs(list()) do
  if redis.call('HEXISTS', records, key) == 0 then return { 'missing', key } end
end

local ops, released, deleted = {}, {}, {}
for i = 1, tonumber(nextarg()) do
  local op = { kind = nextarg(), key = nextarg(), legal = nextarg(), expected = nextarg(), value = nextarg() }
  op.claims, op.releases = list(), list()
  for _, claim in ipairs(op.releases) do released[claim .. '\0' .. op.key] = true end
  if op.kind == 'delete' then deleted[op.key] = true end
  ops[i] = op
end
for _, op in ipairs(ops) do
  local value = redis.call('HGET', records, op.key)
  local revision = 'none'
  -- A record whose revision cannot be read counts as revision 0, so that it can be deleted.
  if value then revision = string.match(value, '^(%d+)\n') or '0' end
  if op.legal ~= 'yes' or revision ~= op.expected then return { 'revision', op.key } end
end
local taken = {}
for _, op in ipairs(ops) do
  for _, claim in ipairs(op.claims) do
    local holder = redis.call('HGET', claims, claim)
    if holder and holder ~= op.key and not deleted[holder] and not released[claim .. '\0' .. holder]
        and redis.call('HEXISTS', records, holder) == 1 then
      return { 'claim', claim }
    end
    if taken[claim] and taken[claim] ~= op.key then return { 'claim', claim } end
    taken[claim] = op.key
  end
end

-- The answer to keep for whoever asks again, and those whose time is over: see answers.rs.
local answer, over = list(), {}
local function since(stored)
  return tonumber(stored and string.match(stored, '^(-?%d+)\n') or nil)
end
if #answer > 0 then
  local ended = tonumber(answer[3])
  local kept = since(redis.call('HGET', KEYS[6], answer[1]))
  if kept and kept > ended then return { 'answered' } end
  for _, entry in ipairs(redis.call('XRANGE', KEYS[7], '-', '+', 'COUNT', answer[5])) do
    if tonumber(entry[2][4]) > ended then break end
    -- The same id may have been used again since.
    local at = since(redis.call('HGET', KEYS[6], entry[2][2]))
    over[#over + 1] = { entry[1], entry[2][2], at and at <= ended and entry[2][2] ~= answer[1] }
  end
  if redis.call('XLEN', KEYS[7]) - #over >= tonumber(answer[4]) then return { 'crowded' } end
end

-- The oldest events that go, and the checkpoint that they leave: exactly those that the writer saw, and never the last.
local trim, trimmed = list(), {}
if #trim > 0 then
  if (head[5] or '') ~= trim[1] then return { 'trimmed' } end
  local count = tonumber(trim[3])
  local entries = count > 0 and redis.call('XRANGE', audit, '-', '+', 'COUNT', count + 1) or {}
  if count > 0 then
    local last = entries[count]
    if #entries ~= count + 1 or last[1] ~= trim[4] or last[2][2] ~= trim[5] then return { 'trimmed' } end
  end
  for i = 1, count do trimmed[i] = entries[i][1] end
end

-- What is released and nobody takes. Looked up before the first removal: see below.
local given_up, listed = {}, {}
for _, op in ipairs(ops) do
  for _, claim in ipairs(op.releases) do
    if not taken[claim] and not listed[claim] and redis.call('HGET', claims, claim) == op.key then
      listed[claim] = true
      given_up[#given_up + 1] = claim
    end
  end
end

-- The first write: a full, read-only or failing server refuses it, and nothing is written then.
local position = redis.call('XADD', audit, '*', 'm', mac, 'e', event)
local logged = redis.pcall('XADD', log, 'MAXLEN', '~', keep, position, 'p', previous, 'm', mac, 'c', changes)
if type(logged) == 'table' and logged.err then
  redis.call('XDEL', audit, position)
  return logged
end
for _, op in ipairs(ops) do
  if op.kind ~= 'delete' then
    redis.call('HSET', records, op.key, op.value)
    for _, claim in ipairs(op.claims) do redis.call('HSET', claims, claim, op.key) end
  end
end
if #answer > 0 then
  redis.call('XADD', KEYS[7], '*', 'a', answer[1], 't', answer[2])
  redis.call('HSET', KEYS[6], answer[1], answer[7])
  -- Where the user may not, they go with later ones.
  if not redis.acl_check_cmd or redis.acl_check_cmd('PEXPIRE', KEYS[6], answer[6]) then
    redis.call('PEXPIRE', KEYS[6], answer[6])
    redis.call('PEXPIRE', KEYS[7], answer[6])
  end
end
-- Removals last, each of something that is there. A hash is gone with its last field, and while its slot moves
-- to another node of a Cluster, a key that is gone is no longer ours to touch: a script would fail half-way.
for _, claim in ipairs(given_up) do redis.call('HDEL', claims, claim) end
for _, op in ipairs(ops) do
  if op.kind == 'delete' then redis.call('HDEL', records, op.key) end
end
for _, entry in ipairs(over) do
  redis.call('XDEL', KEYS[7], entry[1])
  if entry[3] then redis.call('HDEL', KEYS[6], entry[2]) end
end
for i = 1, #trimmed, 500 do redis.call('XDEL', audit, unpack(trimmed, i, math.min(i + 499, #trimmed))) end
if #trim > 0 then redis.call('HSET', meta, 'checkpoint', trim[2]) end
redis.call('HSET', meta, 'mac', mac, 'position', position)
return { 'ok', position }
