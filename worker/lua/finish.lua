-- End many jobs in one step: store their results, remove them, free their documents, count.
--
-- KEYS  1 this worker's claimed set   2 holders   3 this worker's held documents
--       4 counters   5 ids of the latest failures   6 queue   7 aside
-- ARGV  1 worker id   2 number of failures to keep   3 number of counters that follow
--       then for each counter: name, increment
--       then for each job: id, document keys (spaces between), result or '',
--       time to live of the result in ms (0: for ever), '1' where it failed
-- Returns the ids of the jobs that this worker does not own any more; nothing was stored for those.
local claimed, holders, held, counters, failures = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local queue, aside = KEYS[6], KEYS[7]
local keep = tonumber(ARGV[2])
local first = 4 + 2 * tonumber(ARGV[3])
local lost = {}

local function store(id, result, ttl, failed)
  if result ~= '' and ttl ~= '0' then
    redis.call('SET', 'arq:result:' .. id, result, 'PX', ttl)
  elseif result ~= '' then
    redis.call('SET', 'arq:result:' .. id, result)
  end
  redis.call('DEL', 'arq:job:' .. id, 'arq:in-progress:' .. id, 'arq:retry:' .. id)
  redis.call('ZREM', queue, id)
  if failed == '1' then redis.call('LPUSH', failures, id) end
end

for i = first, #ARGV, 5 do
  if redis.call('ZREM', claimed, ARGV[i]) == 0 then
    lost[#lost + 1] = ARGV[i]
  else
    store(ARGV[i], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
    free(queue, aside, holders, held, ARGV[i + 1])
  end
end
for i = 4, first - 1, 2 do redis.call('HINCRBY', counters, ARGV[i], ARGV[i + 1]) end
redis.call('LTRIM', failures, 0, keep - 1)
return lost
