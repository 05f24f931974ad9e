-- Put claimed jobs back into the queue, each at a score, and free their documents.
--
-- KEYS  1 queue   2 this worker's claimed set   3 holders   4 this worker's held documents   5 aside
-- ARGV  1 wake channel, then for each job: id, document keys (spaces between),
--       new score or '' for the one it had (the try that it had begun does not count then)
-- Returns the number of jobs put back; one that this worker does not own any more is left alone.
local queue, claimed, holders, held, aside = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local released, documents = 0, {}
for i = 2, #ARGV, 3 do
  local id, keys, score = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local had = redis.call('ZSCORE', claimed, id)
  if had then
    redis.call('ZREM', claimed, id)
    redis.call('DEL', 'arq:in-progress:' .. id)
    redis.call('ZADD', queue, score ~= '' and score or had, id)
    if score == '' and redis.call('EXISTS', 'arq:retry:' .. id) == 1 then
      redis.call('DECR', 'arq:retry:' .. id)
    end
    count(documents, keys)
    released = released + 1
  end
end
free(queue, aside, holders, held, documents)
redis.call('PUBLISH', ARGV[1], '1')
return released
