-- Take jobs whose worker died while it held them: few at a time, and alone where that did not tell.
--
-- KEYS  1 queue   2 this worker's claimed set   3 holders   4 workers   5 aside   6 accused (suspects that
--       wait, with the scores they had)   7 suspects (job id -> deaths of workers that held it)
-- ARGV  1 worker id
-- Returns as claim.lua does; try: 1, or -2 for a crasher: it must not be run, it has its report coming.
--
-- After one death a job runs among up to 100 suspects, after two among 8, from then on alone. Only deaths
-- alone count: a worker that held nothing else sets the number to 4 at least (reap.lua), and with the third
-- of those the number is 6.
local queue, claimed, holders, workers, aside = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local accused, suspects = KEYS[6], KEYS[7]
local me = ARGV[1]
local GROUPS, CRASHER = { 100, 8 }, 6
if redis.call('SISMEMBER', workers, me) == 0 then return -1 end
redis.call('DEL', claimed .. ':none')
local answer, taken, company = { 0, 0 }, 0, GROUPS[1]

local function is_free(id, score, keys)
  for i = 1, #keys do
    local holder = redis.call('HGET', holders, keys[i])
    if holder then
      local _, worker = held_by(holder)
      if worker ~= me and redis.call('SISMEMBER', workers, worker) == 1 then return false end
    end
    local first = redis.call('ZRANGE', aside .. ':' .. keys[i], 0, 0)[1]
    if first and first ~= id then return false end
  end
  return true
end

local function take(id, score, payload, keys, deaths)
  redis.call('ZREM', accused, id)
  leave_aside(aside, id, keys)
  redis.call('ZADD', queue, CLAIMED, id)
  redis.call('ZADD', claimed, score, id)
  redis.call('SET', 'arq:in-progress:' .. id, me)
  for i = 1, #keys do
    local holder = redis.call('HGET', holders, keys[i])
    local jobs, worker = held_by(holder or '0 ')
    redis.call('HSET', holders, keys[i], (worker == me and jobs + 1 or 1) .. ' ' .. me)
  end
  local n = #answer
  answer[n + 1], answer[n + 2], answer[n + 3] = id, score, payload
  answer[n + 4] = deaths >= CRASHER and -2 or 1
end

local found = redis.call('ZRANGE', accused, 0, GROUPS[1] - 1, 'WITHSCORES')
for i = 1, #found, 2 do
  local id, score = found[i], found[i + 1]
  if not redis.call('ZSCORE', aside, id) then
    redis.call('ZREM', accused, id) -- it was aborted or removed by hand
  else
    local deaths = tonumber(redis.call('HGET', suspects, id) or '0')
    company = math.min(company, GROUPS[math.max(deaths, 1)] or 1)
    if taken >= company then break end
    local payload = redis.pcall('GET', 'arq:job:' .. id)
    if type(payload) ~= 'string' then payload = '' end
    local keys = split(keys_in(payload) or '')
    if is_free(id, score, keys) then
      take(id, score, payload, keys, deaths)
      taken = taken + 1
    end
  end
end
answer[1], answer[2] = taken, redis.call('ZCARD', accused)
return answer
