-- Take jobs whose worker died while it held them: few at a time, and alone where that did not tell.
--
-- KEYS  1 to 5: see documents.lua   6 accused (suspects that wait, with the scores they had)   7 suspects (job id
--       -> deaths of workers that held it)   8 what this worker runs apart from others
--       9 held   10 claim numbers (see jobs/keys.py)
-- ARGV  1 worker id   2 most jobs   3 most payload bytes (the job that goes beyond is the last)
--       4 number of this claim
-- Returns as claim.lua does, where it comes late as well; try: 1, or -2 for a crasher: it must not be run, it
--       has its report coming.
--
-- After one death a job runs among up to 100 suspects, after two among 8, from then on alone. Only deaths
-- alone count: a worker that ran nothing else sets the number to 4 at least (reap.lua), and with the third
-- of those the number is 6.
local accused, suspects, apart = KEYS[6], KEYS[7], KEYS[8]
local me, bytes_left = ARGV[1], tonumber(ARGV[3])
local GROUPS, CRASHER = { 100, 8 }, 6
-- Suspects looked at in one go.
local MOST_LOOKS = 500
if redis.call('SISMEMBER', workers, me) == 0 then return -1 end
redis.call('DEL', claimed .. ':none')
if redis.call('ZADD', KEYS[10], 'GT', 'CH', ARGV[4], me) == 0 then return { 0, 0 } end
local answer, taken, company, effort = { 0, 0 }, {}, math.min(GROUPS[1], tonumber(ARGV[2])), 0
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local is_held = holds(KEYS[9], now_ms)

local function is_free(id, keys)
  if keys[1] and is_held(keys[1]) then return false end
  for i = 1, #keys do
    if is_anothers(keys[i], me) then return false end
    local first = first_waiting(keys[i])
    if first and first ~= id then return false end
  end
  return true
end

local function take(id, score, payload, keys, deaths)
  redis.call('ZREM', accused, id)
  leave_aside(id, keys)
  redis.call('ZADD', queue, CLAIMED, id)
  redis.call('ZADD', claimed, score, id)
  redis.call('SET', 'arq:in-progress:' .. id, me)
  for i = 1, #keys do
    local holder = redis.call('HGET', holders, keys[i])
    local jobs, worker = held_by(holder or '0 ')
    redis.call('HSET', holders, keys[i], (worker == me and jobs + 1 or 1) .. ' ' .. me)
  end
  taken[#taken + 1] = id
  bytes_left = bytes_left - #payload
  local n = #answer
  answer[n + 1], answer[n + 2], answer[n + 3] = id, score, payload
  answer[n + 4] = deaths >= CRASHER and -2 or 1
end

-- Take some of those that stand from one place on: as many as the one among them bears that has seen most deaths.
local function look_from(place)
  local found = redis.call('ZRANGE', accused, place, place + MOST_LOOKS - 1, 'WITHSCORES')
  for i = 1, #found, 2 do
    local id, score = found[i], found[i + 1]
    if effort >= MOST_EFFORT or #taken >= company or bytes_left < 1 then return end
    if not redis.call('ZSCORE', aside, id) then
      redis.call('ZREM', accused, id) -- it was aborted or removed by hand
    else
      local keys = split(stored_keys(id))
      effort = effort + #keys
      if is_free(id, keys) then
        local deaths = tonumber(redis.call('HGET', suspects, id) or '0')
        company = math.min(company, GROUPS[math.max(deaths, 1)] or 1)
        if #taken >= company then return end
        local payload = redis.pcall('GET', 'arq:job:' .. id)
        take(id, score, type(payload) == 'string' and payload or '', keys, deaths)
      end
    end
  end
end

look_from(0)
-- Where all of these wait for documents that others hold, they must not hide the rest: some of that is looked at
-- as well, at a place that is another one each time.
local waiting = redis.call('ZCARD', accused)
if #taken == 0 and waiting > MOST_LOOKS then
  local others = math.ceil(waiting / MOST_LOOKS) - 1
  effort = 0
  look_from(MOST_LOOKS * (1 + now_ms % others))
end
-- A death of this worker is theirs, whatever else it holds (reap.lua).
redis.call('DEL', apart)
many('SADD', apart, taken)
answer[1], answer[2] = #taken, redis.call('ZCARD', accused)
return answer
