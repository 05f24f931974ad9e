-- Take up to N due jobs, with their payloads, in the order of the queue.
--
-- KEYS  1 to 5: see documents.lua   6 functions that wait for a slot, with their scores   7 accused (suspects, the
--       same)   8 suspects (job id -> deaths of workers that held it; 0: it was given back by one that had begun
--       with it)   9 what this worker runs apart from others (claim_suspects.lua)
--       10 held   11 index keys of which jobs are aside for a hold   12 claim numbers (see jobs/keys.py)
-- ARGV  1 worker id   2 most jobs   3 most payload bytes   4 most jobs without document keys
--       5 jobs to look at, at most   6 '1' where jobs may be aborted   7 number of this claim
-- Returns the number of jobs handed out or set aside, the number of suspects that wait (claim_suspects.lua),
--       then for each job handed out: id, score, payload, try; or -1 where this worker is not registered any
--       more (its lease has ended, its jobs are others'). A claim that comes after a later one of its worker
--       takes nothing, and answers as if nothing were due: its sender has given it up (owned.lua).
--       try: for a job with documents 0, or 1 where a worker may have begun with it before; else which try
--       this is; -1 where the job was aborted.
--
-- A job without its first line came by plain arq, or is a load. One that may write is handed out without being claimed
-- (try 0): the worker admits it (admit.lua) and asks again. It must not be claimed yet: two workers would
-- give numbers to what each has claimed, and later jobs could have theirs first. Any other is a function:
-- it is claimed as it is, and loses its expiry.
-- A function that finds no slot moves aside as well, so that it is not met again by every claim; a claim
-- with free slots brings the first ones back.
-- A job on an index that is held moves aside until the hold is over. Then each claim brings some back, the earliest
-- first, until none is left: nobody has to let them go.
-- A job whose payload is gone is claimed with an empty payload: it gets its report and goes.
local slotless, suspects = KEYS[6], KEYS[8]
local me = ARGV[1]
local jobs_left, bytes_left = tonumber(ARGV[2]), tonumber(ARGV[3])
local functions_left, scan = tonumber(ARGV[4]), tonumber(ARGV[5])
-- Jobs read at a time: few at first, since each may have megabytes, then as many as keep below the bytes.
local FIRST_LOOK, LONGEST_LOOK, LOOK_BYTES = 16, 256, 4 * 1024 * 1024
if redis.call('SISMEMBER', workers, me) == 0 then return -1 end

-- A full Redis refuses a script whose first write needs memory: a claim and a finish free more than they
-- take, so each begins with a write that needs none.
redis.call('DEL', claimed .. ':none')
if redis.call('ZADD', KEYS[12], 'GT', 'CH', ARGV[7], me) == 0 then return { 0, 0 } end
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + clock[2] / 1000
local due = text(now_ms)
local is_held = holds(KEYS[10], now_ms)
local some_slotless = redis.call('EXISTS', slotless) == 1
local somebody_waits = redis.call('EXISTS', aside) == 1
local may_abort = ARGV[6] == '1' and redis.call('EXISTS', 'arq:abort') == 1
-- The documents of the jobs that were read.
local effort = 0
local moved, gone, answer = 0, 0, { 0, redis.call('ZCARD', KEYS[7]) }
-- What this call claims, written at its end: queue and claimed (score, id, …), in progress (key, me, …).
local parked, mine, in_progress = {}, {}, {}
-- Jobs of this worker by document, as far as this call knows them; those of this call; others' documents.
local holding, new, foreign = {}, {}, {}

-- Who holds the documents of some jobs, asked once for all of them.
local function look_up_holders(found)
  local keys = {}
  for i = 1, #found do
    local list = found[i].keys
    for j = 1, list and #list or 0 do keys[#keys + 1] = list[j] end
  end
  for i, holder in ipairs(many('HMGET', holders, keys)) do
    local key = keys[i]
    if holder and not holding[key] then
      local jobs, worker = held_by(holder)
      if worker == me then
        holding[key] = jobs
      elseif is_registered(worker) then
        foreign[key] = true
      end
    end
  end
end

local function is_free(job)
  for i = 1, #job.keys do
    local key = job.keys[i]
    if foreign[key] or (holding[key] or 0) >= HELD_MOST then return false end
    if somebody_waits then
      local _, first = first_waiting(key)
      if first and tonumber(first) < job.score then return false end
    end
  end
  return true
end

local function set_aside(job)
  somebody_waits = true
  moved, gone = moved + 1, gone + 1
  put_aside(job.id, job.text, job.keys, false)
end

-- Most jobs of one index that one call brings back.
local MOST_LET_GO = 300
local function hold(job)
  local index = string.sub(job.keys[1], 1, 4)
  somebody_waits = true
  moved, gone = moved + 1, gone + 1
  put_aside(job.id, job.text, job.keys, true)
  redis.call('ZADD', KEYS[11] .. ':' .. index, job.text, job.id)
  redis.call('SADD', KEYS[11], index)
end

local function let_go(index)
  local line, documents = KEYS[11] .. ':' .. index, 0
  local first = redis.call('ZRANGE', line, 0, MOST_LET_GO - 1, 'WITHSCORES')
  for i = 1, #first, 2 do
    if documents > MOST_EFFORT then return end
    redis.call('ZREM', line, first[i])
    documents = documents + bring_back_kept(first[i], first[i + 1])
  end
  if redis.call('EXISTS', line) == 0 then redis.call('SREM', KEYS[11], index) end
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
  parked[n + 1], parked[n + 2] = CLAIMED, job.id
  mine[n + 1], mine[n + 2] = job.text, job.id
  in_progress[n + 1], in_progress[n + 2] = 'arq:in-progress:' .. job.id, me
  for i = 1, job.keys and #job.keys or 0 do
    local key = job.keys[i]
    local jobs = (holding[key] or 0) + 1
    holding[key], new[key] = jobs, jobs
  end
end

local function await_slot(job)
  moved, gone = moved + 1, gone + 1
  if not job.keys then redis.call('PERSIST', 'arq:job:' .. job.id) end
  redis.call('ZADD', slotless, job.text, job.id)
  redis.call('ZADD', queue, text(job.score + ASIDE), job.id)
end

local function bring_back_functions()
  local first = redis.call('ZRANGE', slotless, 0, functions_left - 1, 'WITHSCORES')
  for i = 1, #first, 2 do
    redis.call('ZREM', slotless, first[i])
    redis.call('ZADD', queue, 'XX', first[i + 1], first[i])
  end
end

local function take_function(job)
  functions_left = functions_left - 1
  if some_slotless then redis.call('ZREM', slotless, job.id) end
  if not job.keys then redis.call('PERSIST', 'arq:job:' .. job.id) end
  take(job)
  local try = redis.call('INCR', 'arq:retry:' .. job.id)
  if try == 1 then redis.call('EXPIRE', 'arq:retry:' .. job.id, 88400) end
  return try
end

-- Some payloads; '' for one that is gone, or that is no string at all: nothing is stored that could run.
local function payloads_of(found)
  local names = {}
  for i = 1, #found, 2 do names[#names + 1] = 'arq:job:' .. found[i] end
  return redis.call('MGET', unpack(names))
end

-- Some due jobs, read, and how many were looked at. One that is in progress already is left out: arq's
-- abort gives it a new score.
local function look(found)
  local running, jobs, bytes = {}, {}, 0
  for i = 1, #found, 2 do running[#running + 1] = 'arq:in-progress:' .. found[i] end
  running = redis.call('MGET', unpack(running))
  local payloads = payloads_of(found)
  for i = 1, #found, 2 do
    if bytes >= bytes_left or effort >= MOST_EFFORT then return jobs, (i - 1) / 2, bytes end
    local n = (i + 1) / 2
    local waits = somebody_waits and redis.call('ZSCORE', aside, found[i])
    if waits then
      -- arq's abort has moved it: it goes to its own place, for the next call to meet in order.
      bring_back(found[i], waits, split(stored_keys(found[i])))
      gone, moved = gone + 1, moved + 1
    elseif not running[n] then
      local payload = payloads[n] or ''
      local spaced = keys_in(payload)
      local keys = spaced and split(spaced)
      bytes, effort = bytes + #payload, effort + (keys and #keys or 0)
      jobs[#jobs + 1] = {
        id = found[i],
        text = found[i + 1],
        score = tonumber(found[i + 1]),
        payload = payload,
        keys = keys,
      }
    end
  end
  return jobs, #found / 2, bytes
end

-- Whether a payload that has not been read can be that of a job that writes: whether a name of one is in
-- it, or an escape that could spell one.
local NAMES = { '"index"', '"update"', '"delete"', '"bulk"', '"load"', '\\u00' }
local function may_write(payload)
  for i = 1, #NAMES do
    if string.find(payload, NAMES[i], 1, true) then return true end
  end
  return false
end

local function decide(job)
  local writes = job.keys and #job.keys > 0
  if may_abort and not writes and redis.call('ZREM', 'arq:abort', job.id) == 1 then
    redis.call('ZREM', slotless, job.id)
    take(job)
    hand_out(job, -1)
  elseif writes and is_held(job.keys[1]) then
    hold(job)
  elseif writes and not is_free(job) then
    set_aside(job)
  elseif writes then
    take(job)
    hand_out(job, may_abort and redis.call('ZREM', 'arq:abort', job.id) == 1 and -1 or 0)
  elseif not job.keys and may_write(job.payload) then
    hand_out(job, 0)
  elseif functions_left > 0 then
    hand_out(job, take_function(job))
  else
    await_slot(job)
  end
end

for _, index in ipairs(redis.call('SMEMBERS', KEYS[11])) do
  if not is_held(index) then let_go(index) end
end
if functions_left > 0 then bring_back_functions() end
local offset, size = 0, FIRST_LOOK
while offset + gone < scan and jobs_left > 0 and bytes_left > 0 and effort < MOST_EFFORT do
  -- What was set aside has left this range; what was taken leaves it at the end of the call.
  local found =
    redis.call('ZRANGEBYSCORE', queue, '-inf', due, 'WITHSCORES', 'LIMIT', offset, math.min(size, jobs_left))
  if #found == 0 then break end
  local gone_before = gone
  local jobs, looked, bytes = look(found)
  look_up_holders(jobs)
  for i = 1, #jobs do
    if jobs_left < 1 or bytes_left < 1 then break end
    decide(jobs[i])
  end
  offset = offset + looked - (gone - gone_before)
  local largest = math.max(1, bytes / math.max(1, looked))
  size = math.max(1, math.min(size * 2, LONGEST_LOOK, math.floor(LOOK_BYTES / largest)))
end

many('ZADD', queue, parked)
many('ZADD', claimed, mine)
many('MSET', nil, in_progress)
local who, first = {}, '1 ' .. me
for key, jobs in pairs(new) do
  local n = #who
  who[n + 1], who[n + 2] = key, jobs == 1 and first or jobs .. ' ' .. me
end
many('HSET', holders, who)
-- From now on others run beside what ran apart from them.
if #mine > 0 then redis.call('DEL', KEYS[9]) end
answer[1] = moved
if redis.call('EXISTS', suspects) == 1 then
  local ids = {}
  for i = 3, #answer, 4 do ids[#ids + 1] = answer[i] end
  for n, begun in ipairs(many('HMGET', suspects, ids)) do
    if begun and answer[4 * n + 2] == 0 then answer[4 * n + 2] = 1 end
  end
end
return answer
