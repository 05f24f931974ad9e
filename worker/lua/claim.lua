-- Take up to N due jobs, with their payloads, in the order of the queue.
--
-- KEYS  1 queue   2 this worker's claimed set   3 holders (document key -> worker)
--       4 this worker's held documents (document key -> number of its jobs)   5 workers
-- ARGV  1 worker id   2 most jobs   3 most payload bytes   4 most jobs without document keys
--       5 jobs to look at, at most
-- Returns a flat list: id, score, payload, id, score, payload, …; or -1 where this worker is not
--       registered any more (its lease has ended and its jobs were given to others).
--
-- A job is claimed when it has its first line (a number and document keys), no other worker holds one of
-- its documents, and no earlier job of this scan that was passed over is waiting for one of them: a
-- passed-over job closes its documents to all later ones, or they would overtake it.
-- A job without the first line is returned, not claimed: the worker admits it (admit.lua) and asks again.
-- One whose payload is gone is claimed with an empty payload, so that it gets its report and goes.
local queue, claimed, holders, held, workers = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local me = ARGV[1]
local jobs_left, bytes_left = tonumber(ARGV[2]), tonumber(ARGV[3])
local functions_left, scan = tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('SISMEMBER', workers, me) == 0 then return -1 end

local clock = redis.call('TIME')
local due = clock[1] * 1000 + clock[2] / 1000
local closed, taken = {}, {}

local function is_free(keys)
  for key in string.gmatch(keys, '%S+') do
    local holder = redis.call('HGET', holders, key)
    if closed[key] or (holder and holder ~= me) then return false end
  end
  return true
end

local function close(keys)
  for key in string.gmatch(keys, '%S+') do closed[key] = true end
end

local function take(id, score, keys)
  redis.call('ZREM', queue, id)
  redis.call('ZADD', claimed, score, id)
  redis.call('SET', 'arq:in-progress:' .. id, me)
  for key in string.gmatch(keys, '%S+') do
    redis.call('HSET', holders, key, me)
    redis.call('HINCRBY', held, key, 1)
  end
end

local function hand_out(id, score, payload)
  local n = #taken
  taken[n + 1], taken[n + 2], taken[n + 3] = id, score, payload
  jobs_left = jobs_left - 1
  bytes_left = bytes_left - #payload
end

local found = redis.call('ZRANGEBYSCORE', queue, '-inf', string.format('%.3f', due), 'WITHSCORES', 'LIMIT', 0, scan)
for i = 1, #found, 2 do
  if jobs_left < 1 or bytes_left < 1 then break end
  local id, score = found[i], found[i + 1]
  local payload = redis.call('GET', 'arq:job:' .. id) or ''
  local keys = string.match(payload, '^P1 %d+([^\n]*)\n')
  if not keys and payload ~= '' then
    hand_out(id, score, payload)
  elseif keys and not is_free(keys) then
    close(keys)
  elseif (keys or '') ~= '' then
    take(id, score, keys)
    hand_out(id, score, payload)
  elseif functions_left > 0 then
    functions_left = functions_left - 1
    take(id, score, '')
    hand_out(id, score, payload)
  end
end
return taken
