-- End many jobs in one step: store their results, remove them, free their documents, count.
--
-- KEYS  1 to 5: see documents.lua   6 counters   7 ids of the latest failures   8 awaited (job id -> the channel of
--       the client that waits for it)   9 dead letters   10 suspects (job id -> deaths of workers that held it)
--       11 wake channel   12 touching   13 touched (see jobs/keys.py)
-- ARGV  1 worker id   2 number of failures to keep   3 time to live of a success in ms   4 of a failure
--       5 dead letters to keep, at most   6 their time to live in ms   7 their bytes, at most
--       8 the first line of what stands in `touching`, as far as the worker knows
--       9 number of arguments that say what was touched   10 number of counters
--       then for each reindex: id, number of documents, number of jobs whose documents can't be told, then for each
--       document: member, version of its deletion or 0; then the ids of those jobs
--       then for each counter: name, increment
--       then for each job: id, '<how> <document keys, a space between two>\n<result>'
--       how: 's' a success, 'f' a failure, 'n' nothing to keep; or a time to live of its own in ms
--       (0: for ever), after an 's' or an 'f'; 'd' a failure that becomes a dead letter, and then
--       four arguments more: kind, name, reason, tries
-- Returns the ids of the jobs that this worker does not own any more, for which nothing was stored; and how
-- many old dead letters had to go. Where the worker does not know who wants to know what was touched, nothing is
-- done, and the whole of `touching` is returned: no job ends without leaving its documents to a reindex that has
-- begun. What was touched is kept of lost jobs too: it does no harm.
local counters, failures, awaited = KEYS[6], KEYS[7], KEYS[8]
local dead, suspects = KEYS[9], KEYS[10]
local lives = { s = ARGV[3], f = ARGV[4], d = ARGV[4] }
local touching, touched = KEYS[12], KEYS[13]
local wanted = redis.call('GET', touching) or ''
if string.match(wanted, '^[^\n]*') ~= ARGV[8] then return wanted end
local first_counter = 11 + tonumber(ARGV[9])
local first = first_counter + 2 * tonumber(ARGV[10])
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

-- Whether one version is greater than another: they have more digits than a double.
local function is_greater(one, another) return #one > #another or (#one == #another and one > another) end

local function keep_versions(set, versions)
  local members, newer = {}, {}
  for member in pairs(versions) do members[#members + 1] = member end
  for i, version in ipairs(many('HMGET', set, members)) do
    local member = members[i]
    if not version or is_greater(versions[member], version) then
      newer[#newer + 1], newer[#newer + 2] = member, versions[member]
    end
  end
  many('HSET', set, newer)
end

-- What one reindex has to look at. Where it is more than may be kept, all of it goes, and is asked for no more.
local function touch(reindex, start, documents, jobs)
  local set = touched .. ':' .. reindex
  local bound = redis.call('GET', set .. ':bound')
  if bound == 'over' then return end
  local order, places, versions, untold = redis.call('INCRBY', touched, documents) - documents, {}, {}, {}
  for i = start, start + 2 * documents - 1, 2 do
    local n = #places
    order = order + 1
    places[n + 1], places[n + 2] = string.format('%.0f', order), ARGV[i]
    if ARGV[i + 1] ~= '0' then versions[ARGV[i]] = ARGV[i + 1] end
  end
  for i = 1, jobs do untold[i] = ARGV[start + 2 * documents + i - 1] end
  many('ZADD', set, places)
  keep_versions(set .. ':deleted', versions)
  many('SADD', set .. ':untold', untold)
  if bound and redis.call('ZCARD', set) > tonumber(bound) then
    redis.call('UNLINK', set, set .. ':deleted', set .. ':untold')
    redis.call('SET', set .. ':bound', 'over')
    rename(touching, reindex, {})
  end
end

local next_touch = 11
while next_touch < first_counter do
  local documents, jobs = tonumber(ARGV[next_touch + 1]), tonumber(ARGV[next_touch + 2])
  touch(ARGV[next_touch], next_touch + 3, documents, jobs)
  next_touch = next_touch + 3 + 2 * documents + jobs
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
if free(ARGV[1], documents) then redis.call('PUBLISH', KEYS[11], '1') end
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
  for i = first_counter, first - 1, 2 do redis.call('HINCRBY', counters, ARGV[i], ARGV[i + 1]) end
end
if #failed > 0 then redis.call('LTRIM', failures, 0, ARGV[2] - 1) end
return { lost, dropped }
