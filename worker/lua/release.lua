-- Put claimed jobs back into the queue, each at a score, and free their documents.
--
-- KEYS  1 to 5: see documents.lua
-- ARGV  1 worker id   2 wake channel   3 '1' where no try of these counts that was begun
--       then for each job: id, document keys (a space between two), new score, or '' for the one it had (then
--       its try does not count either)
-- Returns the number of jobs put back; one that this worker does not own any more is left alone.
local released, documents = 0, {}
for i = 4, #ARGV, 3 do
  local id, keys, score = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local had = redis.call('ZSCORE', claimed, id)
  if had then
    redis.call('ZREM', claimed, id)
    redis.call('DEL', 'arq:in-progress:' .. id)
    redis.call('ZADD', queue, score ~= '' and score or had, id)
    if (score == '' or ARGV[3] == '1') and redis.call('EXISTS', 'arq:retry:' .. id) == 1 then
      redis.call('DECR', 'arq:retry:' .. id)
    end
    count(documents, keys)
    released = released + 1
  end
end
free(ARGV[1], documents)
redis.call('PUBLISH', ARGV[2], '1')
return released
