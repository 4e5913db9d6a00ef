-- Keeps deliveries of one list.
--
-- KEYS: the lists by their last write (a sorted set), the list (a sorted set of id and JSON, all of score 0, so in the
-- order of their text).
-- ARGV: how many are kept, for how many seconds, the list's name, the time of the newest, the time from which on lists
-- are kept; then the deliveries.
-- Answers "ok".

for i = 6, #ARGV do
  redis.call('ZADD', KEYS[2], 0, ARGV[i])
end
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -(tonumber(ARGV[1]) + 1))
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call('ZADD', KEYS[1], 'GT', ARGV[4], ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[5])
return {'ok'}
