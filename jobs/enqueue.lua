-- Enqueue many jobs in one step, in order, each at most once.
--
-- KEYS  1 queue (arq's sorted set)   2 the last number given out
-- ARGV  1 prefix of idempotency keys   2 their time to live in ms   3 wake channel
--       then for each job: id, number of actions, document keys (each after a space),
--       idempotency key or '', JSON
-- Returns for each job: its number when it was enqueued now; 0 when this very job was enqueued by an
--       earlier call (a repeat after a cut connection); the id of the other job (a string) when that
--       one had taken the idempotency key.
--
-- A job's actions take one number each: max(last + 1, Redis's clock in µs). The queue's score is the
-- first number / 1000: arq's milliseconds with three decimals, which a double holds exactly (2^53 µs
-- is the year 2255). Numbers are written with string.format: '..' would round them.
local queue, last_key = KEYS[1], KEYS[2]
local prefix, ttl, channel = ARGV[1], ARGV[2], ARGV[3]
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local last = tonumber(redis.call('GET', last_key) or '0')
local answers = {}

local function taken_by_another(id, key)
  if key == '' then return false end
  local owner = redis.call('GET', prefix .. key)
  if owner and owner ~= id then return owner end
  redis.call('SET', prefix .. key, id, 'PX', ttl)
  return false
end

local function enqueue(id, actions, keys, body)
  local number = math.max(last + 1, now)
  last = number + actions - 1
  redis.call('SET', 'arq:job:' .. id, string.format('P1 %.0f', number) .. keys .. '\n' .. body)
  redis.call('ZADD', queue, string.format('%.3f', number / 1000), id)
  return number
end

for i = 4, #ARGV, 5 do
  local id = ARGV[i]
  if redis.call('EXISTS', 'arq:job:' .. id, 'arq:result:' .. id) > 0 then
    answers[#answers + 1] = 0
  else
    answers[#answers + 1] = taken_by_another(id, ARGV[i + 3])
      or enqueue(id, tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 4])
  end
end
redis.call('SET', last_key, string.format('%.0f', last))
redis.call('PUBLISH', channel, '1')
return answers
