-- Give jobs that came by plain arq, and loads, their numbers, their document keys and no expiry, in one
-- step and in order: from now on they count as enqueued. A job that has its first line already keeps it, and
-- stays where it is: another worker was handed it as well, and may hold it by now. So a repeat changes nothing.
--
-- KEYS  1 queue   2 the last number given out
-- ARGV  1 '1' to give each its place in the queue by its number, '' to leave its score (stock arq worker)
--       then for each job: id, number of actions, document keys (a space between two)
-- Returns the jobs' numbers as text; false for a job that is gone.
local queue, last_key, reorder = KEYS[1], KEYS[2], ARGV[1] == '1'
-- See claim.lua: a queue of jobs by plain arq must be drained from a full Redis as well.
redis.call('DEL', last_key .. ':none')
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local last = tonumber(redis.call('GET', last_key) or '0')

local function number_of(id, payload, actions, keys)
  local known = string.match(payload, '^P1 (%d+)[^\n]*\n')
  if known then return known end
  local number = math.max(last + 1, now)
  last = number + actions - 1
  redis.call('SET', 'arq:job:' .. id, string.format('P1 %.0f %s\n', number, keys) .. payload)
  if reorder then redis.call('ZADD', queue, 'XX', string.format('%.3f', number / 1000), id) end
  return string.format('%.0f', number)
end

local numbers = {}
for i = 2, #ARGV, 3 do
  local id = ARGV[i]
  local payload = redis.pcall('GET', 'arq:job:' .. id)
  if type(payload) ~= 'string' then
    numbers[#numbers + 1] = false
  else
    numbers[#numbers + 1] = number_of(id, payload, tonumber(ARGV[i + 1]), ARGV[i + 2])
  end
end
redis.call('SET', last_key, string.format('%.0f', last))
return numbers
