-- Give the jobs of workers whose lease has ended back to the queue, at the scores they had, free their
-- documents and forget the workers. One step: nobody sees a half-recovered worker.
--
-- KEYS  1 queue   2 workers (set of ids)   3 holders   4 aside
-- ARGV  1 prefix of life keys   2 prefix of claimed sets   3 prefix of held documents   4 wake channel
--       5 the id of a worker that leaves now, or ''
-- Returns a flat list: worker id, number of jobs given back, …
--
-- A few jobs that are aside are looked at as well: one whose documents are all free comes back. None
-- should be, but a job that was removed by hand can have been what woke it.
local queue, workers, holders, aside = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ASIDE_TO_CHECK = 20
local reaped = {}

local function give_back(worker)
  local claimed, held = ARGV[2] .. worker, ARGV[3] .. worker
  local jobs = redis.call('ZRANGE', claimed, 0, -1, 'WITHSCORES')
  for i = 1, #jobs, 2 do
    redis.call('DEL', 'arq:in-progress:' .. jobs[i])
    redis.call('ZADD', queue, jobs[i + 1], jobs[i])
  end
  for _, key in ipairs(redis.call('HKEYS', held)) do
    if redis.call('HGET', holders, key) == worker then redis.call('HDEL', holders, key) end
    wake(queue, aside, key)
  end
  redis.call('DEL', claimed, held, ARGV[1] .. worker)
  redis.call('SREM', workers, worker)
  return #jobs / 2
end

local function is_held(id)
  local _, keys = read(id)
  for key in string.gmatch(keys or '', '%S+') do
    if redis.call('HEXISTS', holders, key) == 1 then return true end
  end
  return false
end

for _, worker in ipairs(redis.call('SMEMBERS', workers)) do
  if worker == ARGV[5] or redis.call('EXISTS', ARGV[1] .. worker) == 0 then
    reaped[#reaped + 1] = worker
    reaped[#reaped + 1] = give_back(worker)
  end
end
for _, id in ipairs(redis.call('ZRANDMEMBER', aside, ASIDE_TO_CHECK)) do
  if not is_held(id) then bring_back(queue, aside, id, redis.call('ZSCORE', aside, id)) end
end
if #reaped > 0 then redis.call('PUBLISH', ARGV[4], '1') end
return reaped
