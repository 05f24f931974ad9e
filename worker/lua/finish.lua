-- End many jobs in one step: store their results, remove them, free their documents, count.
--
-- KEYS  1 this worker's claimed set   2 holders   3 this worker's held documents
--       4 counters   5 ids of the latest failures   6 queue   7 aside
-- ARGV  1 number of failures to keep   2 time to live of a success in ms   3 that of a failure
--       4 number of counters that follow, then for each: name, increment
--       then for each job: id, document keys (spaces between), result,
--       how: 's' a success, 'f' a failure, 'n' nothing to keep; or a time to live of its own in ms
--       (0: for ever), after an 's' or an 'f'
-- Returns the ids of the jobs that this worker does not own any more; nothing was stored for those.
local claimed, holders, held, counters, failures = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local queue, aside = KEYS[6], KEYS[7]
local keep = tonumber(ARGV[1])
local lives = { s = ARGV[2], f = ARGV[3] }
local first = 5 + 2 * tonumber(ARGV[4])
local ids, lost, ended, gone, documents = {}, {}, {}, {}, {}

-- See claim.lua: a full Redis must be able to drain.
redis.call('DEL', claimed .. ':none')

local function store(id, result, how)
  local kind = string.sub(how, 1, 1)
  local ttl = #how > 1 and string.sub(how, 2) or lives[kind]
  if ttl == '0' then
    redis.call('SET', 'arq:result:' .. id, result)
  elseif ttl then
    redis.call('SET', 'arq:result:' .. id, result, 'PX', ttl)
  end
  if kind == 'f' then redis.call('LPUSH', failures, id) end
end

for i = first, #ARGV, 4 do ids[#ids + 1] = ARGV[i] end
for n, score in ipairs(many('ZMSCORE', claimed, ids)) do
  local i, id = first + 4 * (n - 1), ids[n]
  if not score then
    lost[#lost + 1] = id
  else
    store(id, ARGV[i + 2], ARGV[i + 3])
    ended[#ended + 1] = id
    for _, prefix in ipairs({ 'arq:job:', 'arq:in-progress:', 'arq:retry:' }) do gone[#gone + 1] = prefix .. id end
    count(documents, ARGV[i + 1])
  end
end
many('ZREM', claimed, ended)
many('ZREM', queue, ended)
many('DEL', nil, gone)
free(queue, aside, holders, held, documents)
-- A repeat after a lost answer owns none of its jobs any more, and has been counted.
if #ended > 0 then
  for i = 5, first - 1, 2 do redis.call('HINCRBY', counters, ARGV[i], ARGV[i + 1]) end
end
redis.call('LTRIM', failures, 0, keep - 1)
return lost
