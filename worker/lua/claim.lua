-- Take up to N due jobs, with their payloads, in the order of the queue.
--
-- KEYS  1 queue   2 this worker's claimed set   3 holders (document key -> worker)
--       4 this worker's held documents (document key -> number of its jobs)   5 workers
--       6 aside (jobs that wait for a document, with their scores)
-- ARGV  1 worker id   2 most jobs   3 most payload bytes   4 most jobs without document keys
--       5 jobs to look at, at most   6 '1' where jobs may be aborted
-- Returns the number of jobs handed out or set aside, then for each one handed out: id, score, payload,
--       try; or -1 where this worker is not registered any more (its lease has ended, its jobs are others').
--       try: 0 for a job with documents, else which try this is; -1 where the job was aborted.
--
-- A job without its first line is handed out but not claimed: the worker admits it (admit.lua) and asks
-- again. One whose payload is gone is claimed with an empty payload: it gets its report and goes.
local queue, claimed, holders, held, workers, aside = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local me = ARGV[1]
local jobs_left, bytes_left = tonumber(ARGV[2]), tonumber(ARGV[3])
local functions_left, scan = tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('SISMEMBER', workers, me) == 0 then return -1 end

local clock = redis.call('TIME')
local due = clock[1] * 1000 + clock[2] / 1000
local somebody_waits = redis.call('EXISTS', aside) == 1
local may_abort = ARGV[6] == '1' and redis.call('EXISTS', 'arq:abort') == 1
local answer = { 0 }

local function is_free(keys, score)
  for key in string.gmatch(keys, '%S+') do
    local holder = redis.call('HGET', holders, key)
    if holder and holder ~= me then return false end
    if holder and tonumber(redis.call('HGET', held, key) or '0') >= HELD_MOST then return false end
    if somebody_waits then
      local first = redis.call('ZRANGE', aside .. ':' .. key, 0, 0, 'WITHSCORES')
      if first[2] and tonumber(first[2]) < score then return false end
    end
  end
  return true
end

local function set_aside(id, score, keys)
  somebody_waits = true
  answer[1] = answer[1] + 1
  redis.call('ZADD', aside, text(score), id)
  for key in string.gmatch(keys, '%S+') do redis.call('ZADD', aside .. ':' .. key, text(score), id) end
  redis.call('ZADD', queue, text(score + ASIDE), id)
end

local function hand_out(id, score, payload, try)
  local n = #answer
  answer[n + 1], answer[n + 2], answer[n + 3], answer[n + 4] = id, score, payload, try
  answer[1] = answer[1] + 1
  jobs_left = jobs_left - 1
  bytes_left = bytes_left - #payload
end

-- False where the job is in progress already: arq's abort gives such a job a new score.
local function take(id, score, keys)
  if not redis.call('SET', 'arq:in-progress:' .. id, me, 'NX') then return false end
  redis.call('ZADD', queue, text(score + CLAIMED), id)
  redis.call('ZADD', claimed, text(score), id)
  for key in string.gmatch(keys, '%S+') do
    redis.call('HSET', holders, key, me)
    redis.call('HINCRBY', held, key, 1)
  end
  return true
end

local function try_of(id, keys)
  if may_abort and redis.call('ZREM', 'arq:abort', id) == 1 then return -1 end
  if keys ~= '' then return 0 end
  functions_left = functions_left - 1
  local try = redis.call('INCR', 'arq:retry:' .. id)
  redis.call('EXPIRE', 'arq:retry:' .. id, 88400)
  return try
end

local found = redis.call('ZRANGEBYSCORE', queue, '-inf', text(due), 'WITHSCORES', 'LIMIT', 0, scan)
for i = 1, #found, 2 do
  if jobs_left < 1 or bytes_left < 1 then break end
  local id, score = found[i], tonumber(found[i + 1])
  local payload, keys = read(id)
  if not keys and payload ~= '' then
    hand_out(id, found[i + 1], payload, 0)
  elseif keys and not is_free(keys, score) then
    set_aside(id, score, keys)
  elseif ((keys or '') ~= '' or functions_left > 0) and take(id, score, keys or '') then
    hand_out(id, found[i + 1], payload, try_of(id, keys or ''))
  end
end
return answer
