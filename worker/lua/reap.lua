-- Give the jobs of workers whose lease has ended back to the queue, at the scores they had, free their
-- documents and forget the workers. One step: nobody sees a half-recovered worker.
--
-- A job that writes may be what killed its worker: it waits aside as a suspect, to run among few others or
-- alone (claim_suspects.lua). Functions are bounded by their tries.
--
-- KEYS  1 to 5: see documents.lua   6 accused   7 suspects   8 claim numbers (see jobs/keys.py)
-- ARGV  1 prefix of life keys   2 prefix of claimed sets   3 prefix of the sets of what workers run apart from
--       others (claim_suspects.lua)   4 wake channel   5 the id of a worker that leaves now, or ''
-- Returns a flat list: worker id, number of jobs given back, …
--
-- A few jobs that are aside are looked at as well: one that could go comes back. None should be there, but a
-- job that was removed by hand can have been what woke it.
local accused, suspects, leaving = KEYS[6], KEYS[7], ARGV[5]
local ASIDE_TO_CHECK = 20
-- See claim_suspects.lua.
local FIRST_DEATH_ALONE = 4
local reaped = {}

local function accuse(id, score, keys, alone)
  local deaths = redis.call('HINCRBY', suspects, id, 1)
  if alone and deaths < FIRST_DEATH_ALONE then redis.call('HSET', suspects, id, FIRST_DEATH_ALONE) end
  redis.call('ZADD', accused, score, id)
  put_aside(id, score, keys, true)
end

-- Which of these jobs (id, score, …) were run apart from others when their worker died: all else that it held had
-- been sent before, and had killed nobody. None where everything ran together.
local function ran_apart(worker, jobs)
  local found, some = {}, false
  if redis.call('EXISTS', ARGV[3] .. worker) == 1 then
    for i = 1, #jobs, 2 do
      found[jobs[i]] = redis.call('SISMEMBER', ARGV[3] .. worker, jobs[i]) == 1
      some = some or found[jobs[i]]
    end
  end
  return some and found
end

local function give_back(worker)
  local its_claimed, documents = ARGV[2] .. worker, {}
  local jobs = redis.call('ZRANGE', its_claimed, 0, -1, 'WITHSCORES')
  local apart = ran_apart(worker, jobs)
  local innocent, keys = {}, {}
  local running = 0
  for i = 1, #jobs, 2 do
    local id = jobs[i]
    keys[id] = stored_keys(id)
    count(documents, keys[id])
    local writes = keys[id] ~= ''
    innocent[id] = not writes or worker == leaving or (apart and not apart[id])
    if not (writes and innocent[id]) then running = running + 1 end
  end
  for i = 1, #jobs, 2 do
    local id, score = jobs[i], jobs[i + 1]
    redis.call('DEL', 'arq:in-progress:' .. id)
    if not innocent[id] then
      accuse(id, score, split(keys[id]), running == 1)
    else
      redis.call('ZADD', queue, score, id)
      if keys[id] ~= '' then redis.call('HSETNX', suspects, id, 0) end
    end
  end
  redis.call('DEL', its_claimed, ARGV[1] .. worker, ARGV[3] .. worker)
  redis.call('SREM', workers, worker)
  redis.call('ZREM', KEYS[8], worker)
  registered[worker] = false
  free(worker, documents)
  return #jobs / 2
end

for _, worker in ipairs(redis.call('SMEMBERS', workers)) do
  if worker == leaving or redis.call('EXISTS', ARGV[1] .. worker) == 0 then
    reaped[#reaped + 1] = worker
    reaped[#reaped + 1] = give_back(worker)
  end
end
local woken = nobody_woken()
for _, id in ipairs(redis.call('ZRANDMEMBER', aside, ASIDE_TO_CHECK)) do
  if woken.documents > MOST_EFFORT then break end
  if could_go('', id, woken) then
    bring_back(id, redis.call('ZSCORE', aside, id), woken.asked[id].keys)
    woken.jobs = woken.jobs + 1
  end
  woken.documents = woken.documents + #woken.asked[id].keys
end
if #reaped > 0 then redis.call('PUBLISH', ARGV[4], '1') end
return reaped
