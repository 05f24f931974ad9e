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
-- Jobs read before their documents are looked up: a bound on what is read in vain, payloads above all.
local AT_A_TIME = 100
local jobs_left, bytes_left = tonumber(ARGV[2]), tonumber(ARGV[3])
local functions_left, scan = tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('SISMEMBER', workers, me) == 0 then return -1 end

-- A full Redis refuses a script whose first write needs memory: a claim and a finish free more than they
-- take, so each begins with a write that needs none.
redis.call('DEL', claimed .. ':none')
local clock = redis.call('TIME')
local due = text(clock[1] * 1000 + clock[2] / 1000)
local somebody_waits = redis.call('EXISTS', aside) == 1
local may_abort = ARGV[6] == '1' and redis.call('EXISTS', 'arq:abort') == 1
local moved, gone, answer = 0, 0, { 0 }
-- What this call claims, written at its end: queue and claimed (score, id, …), in progress (key, me, …).
local parked, mine, in_progress = {}, {}, {}
-- Jobs of this worker by document, as far as this call knows them, and those of this call.
local holding, new = {}, {}

-- Who holds the documents of some jobs, asked once for all of them.
local function holders_of(found)
  local keys, holder = {}, {}
  for _, job in ipairs(found) do
    for key in string.gmatch(job.keys or '', '%S+') do keys[#keys + 1] = key end
  end
  for i, who in ipairs(many('HMGET', holders, keys)) do
    holder[keys[i]] = who
    if who == me and not holding[keys[i]] then
      holding[keys[i]] = tonumber(redis.call('HGET', held, keys[i]) or '0')
    end
  end
  return holder
end

local function is_free(job, holder)
  for key in string.gmatch(job.keys, '%S+') do
    if holder[key] and holder[key] ~= me then return false end
    if (holding[key] or 0) >= HELD_MOST then return false end
    if somebody_waits then
      local first = redis.call('ZRANGE', aside .. ':' .. key, 0, 0, 'WITHSCORES')
      if first[2] and tonumber(first[2]) < job.score then return false end
    end
  end
  return true
end

local function set_aside(job)
  somebody_waits = true
  moved, gone = moved + 1, gone + 1
  redis.call('ZADD', aside, text(job.score), job.id)
  for key in string.gmatch(job.keys, '%S+') do
    redis.call('ZADD', aside .. ':' .. key, text(job.score), job.id)
  end
  redis.call('ZADD', queue, text(job.score + ASIDE), job.id)
end

local function hand_out(job, try)
  local n = #answer
  answer[n + 1], answer[n + 2], answer[n + 3], answer[n + 4] = job.id, job.text, job.payload, try
  moved = moved + 1
  jobs_left = jobs_left - 1
  bytes_left = bytes_left - #job.payload
end

local function take(job)
  local n = #mine
  parked[n + 1], parked[n + 2] = text(job.score + CLAIMED), job.id
  mine[n + 1], mine[n + 2] = job.text, job.id
  in_progress[n + 1], in_progress[n + 2] = 'arq:in-progress:' .. job.id, me
  for key in string.gmatch(job.keys or '', '%S+') do
    holding[key] = (holding[key] or 0) + 1
    new[key] = holding[key]
  end
end

local function try_of(job)
  if may_abort and redis.call('ZREM', 'arq:abort', job.id) == 1 then return -1 end
  if (job.keys or '') ~= '' then return 0 end
  functions_left = functions_left - 1
  local try = redis.call('INCR', 'arq:retry:' .. job.id)
  redis.call('EXPIRE', 'arq:retry:' .. job.id, 88400)
  return try
end

-- Some due jobs, read, and how many were looked at. One that is in progress already is left out: arq's
-- abort gives it a new score.
local function look(found)
  local running, jobs, bytes = {}, {}, 0
  for i = 1, #found, 2 do running[#running + 1] = 'arq:in-progress:' .. found[i] end
  running = redis.call('MGET', unpack(running))
  for i = 1, #found, 2 do
    if bytes >= bytes_left then return jobs, (i - 1) / 2 end
    local waits = somebody_waits and redis.call('ZSCORE', aside, found[i])
    if waits then
      -- arq's abort has moved it: it goes to its own place, for the next call to meet in order.
      bring_back(queue, aside, found[i], waits)
      gone, moved = gone + 1, moved + 1
    elseif not running[(i + 1) / 2] then
      local payload, keys = read(found[i])
      bytes = bytes + #payload
      jobs[#jobs + 1] =
        { id = found[i], text = found[i + 1], score = tonumber(found[i + 1]), payload = payload, keys = keys }
    end
  end
  return jobs, #found / 2
end

local function decide(job, holder)
  local writes = (job.keys or '') ~= ''
  if not job.keys and job.payload ~= '' then
    hand_out(job, 0)
  elseif writes and not is_free(job, holder) then
    set_aside(job)
  elseif writes or functions_left > 0 then
    take(job)
    hand_out(job, try_of(job))
  end
end

local offset = 0
while offset + gone < scan and jobs_left > 0 and bytes_left > 0 do
  local size = math.min(AT_A_TIME, jobs_left)
  -- What was set aside has left this range; what was taken leaves it at the end of the call.
  local found = redis.call('ZRANGEBYSCORE', queue, '-inf', due, 'WITHSCORES', 'LIMIT', offset, size)
  if #found == 0 then break end
  local gone_before = gone
  local jobs, looked = look(found)
  local holder = holders_of(jobs)
  for _, job in ipairs(jobs) do
    if jobs_left < 1 or bytes_left < 1 then break end
    decide(job, holder)
  end
  offset = offset + looked - (gone - gone_before)
end

many('ZADD', queue, parked)
many('ZADD', claimed, mine)
many('MSET', nil, in_progress)
local who, counts = {}, {}
for key, jobs in pairs(new) do
  who[#who + 1], counts[#counts + 1] = key, key
  who[#who + 1], counts[#counts + 1] = me, jobs
end
many('HSET', holders, who)
many('HSET', held, counts)
answer[1] = moved
return answer
