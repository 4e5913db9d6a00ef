-- Adds what one process counted to the sums, once.
--
-- KEYS: the sums (a hash), the number of this process's last batch.
-- ARGV: the number of this batch; then for each record its field, accepted, refused, last, previous, mark.
-- A sum is those five numbers; 0 = never. The mark is compared as text: it may be above 2^53.
-- Answers "ok".

if redis.call('GET', KEYS[2]) == ARGV[1] then
  return {'ok'}
end
for i = 2, #ARGV, 6 do
  local accepted, refused = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local last, previous, mark = tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), ARGV[i + 5]
  local sum = redis.call('HGET', KEYS[1], ARGV[i])
  if sum then
    local a, r, l, p, m = string.match(sum, '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
    if a then
      accepted, refused = accepted + tonumber(a), refused + tonumber(r)
      last = math.max(last, tonumber(l))
      if tonumber(p) > previous then
        previous, mark = tonumber(p), m
      end
    end
  end
  redis.call('HSET', KEYS[1], ARGV[i],
    string.format('%.0f %.0f %.0f %.0f %s', accepted, refused, last, previous, mark))
end
redis.call('SET', KEYS[2], ARGV[1], 'EX', 3600)
return {'ok'}
