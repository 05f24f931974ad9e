-- Set claimed jobs aside until their index takes writes again, and free their documents.
--
-- KEYS  1 queue   2 this worker's claimed set   3 holders   4 aside   5 parked indices (index -> the time of
--       the latest probe in ms)   6 why (index -> the reason, as JSON)   7 parked jobs of this index   8 wake channel
-- ARGV  1 worker id   2 index   3 why   then for each job: id, document keys (a space between two)
-- Returns the number of jobs parked; one that this worker does not own any more is left alone.
--
-- Later jobs on their documents wait behind them, whichever index name they come by.
local queue, claimed, holders, aside = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local indices, reasons, parked = KEYS[5], KEYS[6], KEYS[7]
local clock = redis.call('TIME')
local jobs, documents = 0, {}
for i = 4, #ARGV, 2 do
  local id, keys = ARGV[i], ARGV[i + 1]
  local score = redis.call('ZSCORE', claimed, id)
  if score then
    redis.call('ZREM', claimed, id)
    redis.call('DEL', 'arq:in-progress:' .. id)
    redis.call('ZADD', parked, score, id)
    put_aside(queue, aside, id, score, split(keys), true)
    count(documents, keys)
    jobs = jobs + 1
  end
end
if jobs > 0 then
  redis.call('HSETNX', indices, ARGV[2], clock[1] * 1000 + math.floor(clock[2] / 1000))
  redis.call('HSET', reasons, ARGV[2], ARGV[3])
end
if free(queue, aside, holders, ARGV[1], documents) then redis.call('PUBLISH', KEYS[8], '1') end
return jobs
