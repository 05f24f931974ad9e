-- Give the jobs of workers whose lease has ended back to the queue, at the scores they had, free their
-- documents and forget the workers. One step: nobody sees a half-recovered worker.
--
-- A job that writes may be what killed its worker: it waits aside as a suspect, to run among few others or
-- alone (claim_suspects.lua). Functions are bounded by their tries.
--
-- KEYS  1 queue   2 workers (set of ids)   3 holders   4 aside   5 accused   6 suspects
-- ARGV  1 prefix of life keys   2 prefix of claimed sets   3 wake channel
--       4 the id of a worker that leaves now, or ''
-- Returns a flat list: worker id, number of jobs given back, …
--
-- A few jobs that are aside are looked at as well: one whose documents are all free comes back. None
-- should be, but a job that was removed by hand can have been what woke it.
local queue, workers, holders, aside = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local accused, suspects = KEYS[5], KEYS[6]
local ASIDE_TO_CHECK = 20
-- See claim_suspects.lua.
local FIRST_DEATH_ALONE = 4
local reaped = {}

local function accuse(id, score, keys, alone)
  local deaths = redis.call('HINCRBY', suspects, id, 1)
  if alone and deaths < FIRST_DEATH_ALONE then redis.call('HSET', suspects, id, FIRST_DEATH_ALONE) end
  redis.call('ZADD', accused, score, id)
  put_aside(queue, aside, id, score, keys, true)
end

local function give_back(worker)
  local claimed, documents = ARGV[2] .. worker, {}
  local jobs = redis.call('ZRANGE', claimed, 0, -1, 'WITHSCORES')
  for i = 1, #jobs, 2 do
    local spaced = stored_keys(jobs[i])
    redis.call('DEL', 'arq:in-progress:' .. jobs[i])
    if spaced == '' or worker == ARGV[4] then
      redis.call('ZADD', queue, jobs[i + 1], jobs[i])
      if spaced ~= '' then redis.call('HSETNX', suspects, jobs[i], 0) end
    else
      accuse(jobs[i], jobs[i + 1], split(spaced), #jobs == 2)
    end
    count(documents, spaced)
  end
  redis.call('DEL', claimed, ARGV[1] .. worker)
  redis.call('SREM', workers, worker)
  free(queue, aside, holders, worker, documents)
  return #jobs / 2
end

-- A holder that is registered no more holds nothing: its job's payload may have been removed by hand.
local function is_held(id)
  for _, key in ipairs(split(stored_keys(id))) do
    local holder = redis.call('HGET', holders, key)
    if holder then
      local _, worker = held_by(holder)
      if redis.call('SISMEMBER', workers, worker) == 1 then return true end
    end
  end
  return false
end

for _, worker in ipairs(redis.call('SMEMBERS', workers)) do
  if worker == ARGV[4] or redis.call('EXISTS', ARGV[1] .. worker) == 0 then
    reaped[#reaped + 1] = worker
    reaped[#reaped + 1] = give_back(worker)
  end
end
for _, id in ipairs(redis.call('ZRANDMEMBER', aside, ASIDE_TO_CHECK)) do
  if not redis.call('ZSCORE', kept(aside), id) and not is_held(id) then
    bring_back(queue, aside, id, redis.call('ZSCORE', aside, id))
  end
end
if #reaped > 0 then redis.call('PUBLISH', ARGV[3], '1') end
return reaped
