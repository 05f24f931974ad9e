-- Set claimed jobs aside until their index takes writes of their kind again, and free their documents.
--
-- KEYS  1 to 5: see documents.lua   6 parked targets (target -> the time of the latest probe in ms)   7 why (target
--       -> the reason, as JSON)   8 parked jobs of this target   9 wake channel
-- ARGV  1 worker id   2 target (way and index, see Action.target)   3 why
--       then for each job: id, document keys (a space between two)
-- Returns the number of jobs parked; one that this worker does not own any more is left alone.
--
-- Later jobs on their documents wait behind them, whichever way they are to be written.
local targets, reasons, parked = KEYS[6], KEYS[7], KEYS[8]
local clock = redis.call('TIME')
local jobs, documents = 0, {}
for i = 4, #ARGV, 2 do
  local id, keys = ARGV[i], ARGV[i + 1]
  local score = redis.call('ZSCORE', claimed, id)
  if score then
    redis.call('ZREM', claimed, id)
    redis.call('DEL', 'arq:in-progress:' .. id)
    redis.call('ZADD', parked, score, id)
    put_aside(id, score, split(keys), true)
    count(documents, keys)
    jobs = jobs + 1
  end
end
if jobs > 0 then
  redis.call('HSETNX', targets, ARGV[2], clock[1] * 1000 + math.floor(clock[2] / 1000))
  redis.call('HSET', reasons, ARGV[2], ARGV[3])
end
if free(ARGV[1], documents) then redis.call('PUBLISH', KEYS[9], '1') end
return jobs
