-- End many jobs in one step: store their results, remove them, free their documents, count.
--
-- KEYS  1 this worker's claimed set   2 holders   3 counters   4 ids of the latest failures
--       5 queue   6 aside   7 awaited (job id -> the channel of the client that waits for it)
--       8 dead letters   9 suspects (job id -> deaths of workers that held it)   10 wake channel
-- ARGV  1 worker id   2 number of failures to keep   3 time to live of a success in ms   4 of a failure
--       5 dead letters to keep, at most   6 their time to live in ms   7 their bytes, at most
--       8 number of counters that follow, then for each: name, increment
--       then for each job: id, '<how> <document keys, a space between two>\n<result>'
--       how: 's' a success, 'f' a failure, 'n' nothing to keep; or a time to live of its own in ms
--       (0: for ever), after an 's' or an 'f'; 'd' a failure that becomes a dead letter, and then
--       four arguments more: kind, name, reason, tries
-- Returns the ids of the jobs that this worker does not own any more, for which nothing was stored; and how
-- many old dead letters had to go.
local claimed, holders, counters, failures = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local queue, aside, awaited = KEYS[5], KEYS[6], KEYS[7]
local dead, suspects = KEYS[8], KEYS[9]
local lives = { s = ARGV[3], f = ARGV[4], d = ARGV[4] }
local first = 9 + 2 * tonumber(ARGV[8])
local ids, places, hows, lost, ended, gone, failed, documents = {}, {}, {}, {}, {}, {}, {}, {}
local dropped = 0
local clock = redis.call('TIME')
local now_ms = string.format('%.3f', clock[1] * 1000 + clock[2] / 1000)

-- See claim.lua: a full Redis must be able to drain.
redis.call('DEL', claimed .. ':none')

local function store(id, result, how)
  local ttl = lives[how]
  if not ttl and #how > 1 then
    how, ttl = string.sub(how, 1, 1), string.sub(how, 2)
  end
  if ttl == '0' then
    redis.call('SET', 'arq:result:' .. id, result)
  elseif ttl then
    redis.call('SET', 'arq:result:' .. id, result, 'PX', ttl)
  end
  if how == 'f' or how == 'd' then failed[#failed + 1] = id end
end

local next_one = first
while next_one <= #ARGV do
  local n = #ids + 1
  ids[n], places[n], hows[n] = ARGV[next_one], next_one, string.match(ARGV[next_one + 1], '^%w+')
  next_one = next_one + (hows[n] == 'd' and 6 or 2)
end
for n, score in ipairs(many('ZMSCORE', claimed, ids)) do
  local i, id, how = places[n], ids[n], hows[n]
  if not score then
    lost[#lost + 1] = id
  else
    local keys, start = string.match(ARGV[i + 1], '^%w+ ([^\n]*)\n()')
    store(id, string.sub(ARGV[i + 1], start), how)
    if how == 'd' then
      dropped = dropped
        + bury(dead, id, ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], now_ms, ARGV[i + 5], ARGV[5], ARGV[6], ARGV[7])
    end
    ended[#ended + 1] = id
    local names = #gone
    gone[names + 1], gone[names + 2] = 'arq:job:' .. id, 'arq:in-progress:' .. id
    if keys == '' then
      gone[names + 3] = 'arq:retry:' .. id
    else
      count(documents, keys)
    end
  end
end
many('ZREM', claimed, ended)
many('ZREM', queue, ended)
many('DEL', nil, gone)
if redis.call('EXISTS', suspects) == 1 then many('HDEL', suspects, ended) end
if redis.call('EXISTS', 'arq:abort') == 1 then many('ZREM', 'arq:abort', ended) end
many('LPUSH', failures, failed)
if free(queue, aside, holders, ARGV[1], documents) then redis.call('PUBLISH', KEYS[10], '1') end
if redis.call('EXISTS', awaited) == 1 then
  local told = {}
  for i, channel in ipairs(many('HMGET', awaited, ended)) do
    if channel then
      redis.call('PUBLISH', channel, ended[i])
      told[#told + 1] = ended[i]
    end
  end
  many('HDEL', awaited, told)
end
-- A repeat after a lost answer owns none of its jobs any more, and has been counted.
if #ended > 0 then
  for i = 9, first - 1, 2 do redis.call('HINCRBY', counters, ARGV[i], ARGV[i + 1]) end
end
if #failed > 0 then redis.call('LTRIM', failures, 0, ARGV[2] - 1) end
return { lost, dropped }
