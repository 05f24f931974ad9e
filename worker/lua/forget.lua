-- Forget touched documents, but for those that have been touched again.
--
-- KEYS  1 touched documents of one reindex   2 versions of their deletions
-- ARGV  for each document: member, the order in which it was touched
-- Returns the number of documents forgotten.
local forgotten = 0
for i = 1, #ARGV, 2 do
  local order = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if order and tonumber(order) == tonumber(ARGV[i + 1]) then
    redis.call('ZREM', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
    forgotten = forgotten + 1
  end
end
return forgotten
