-- Enqueue many jobs in one step, in order, each at most once.
--
-- KEYS  1 queue (arq's sorted set)   2 the last number given out
-- ARGV  1 prefix of idempotency keys   2 their time to live in ms   3 wake channel
--       4 '1' where any job has an idempotency key, else ''   5 the share of maxmemory that may be in use (see
--       memory.lua), or ''
--       then for each job: '<id> <number of actions>< each document key after a space>\n<JSON>', since each
--       argument costs a microsecond or two; and, with 4, its idempotency key or ''. A job of 0 actions is
--       one whose documents a worker has to name: it gets its first line when it is admitted (admit.lua)
-- Returns for each job: its number when it was enqueued now; 0 when this very job was enqueued by an
--       earlier call (a repeat after a cut connection); the id of the other job (a string) when that
--       one had taken the idempotency key. In place of all that what above_mark says, when it says something
--       and no job of this call is known: nothing is stored then. (Where one is, this is a repeat.)
--
-- A job's actions take one number each: max(last + 1, Redis's clock in µs). The queue's score is the
-- first number / 1000: arq's milliseconds with three decimals, which a double holds exactly (2^53 µs
-- is the year 2255). Numbers are written with string.format: '..' would round them.
--
-- A redis.call costs more than what it does: what all jobs need is asked, and written, once.
local queue, last_key = KEYS[1], KEYS[2]
local prefix, ttl, channel, width = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1' and 2 or 1
local mark = ARGV[5]
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local last = tonumber(redis.call('GET', last_key) or '0')
local answers, payloads, places = {}, {}, {}
-- Lua's stack takes no more arguments than 8000 at once; even, so that pairs stay together.
local MOST_ARGUMENTS = 4000

local function in_parts(command, key, list)
  for first = 1, #list, MOST_ARGUMENTS do
    local last_one = math.min(first + MOST_ARGUMENTS - 1, #list)
    if key then
      redis.call(command, key, unpack(list, first, last_one))
    else
      redis.call(command, unpack(list, first, last_one))
    end
  end
end

-- Ids, numbers of actions, and where in its argument each job's keys begin.
local ids, numbers_of_actions, starts = {}, {}, {}
for i = 6, #ARGV, width do
  local n = #ids + 1
  ids[n], numbers_of_actions[n], starts[n] = string.match(ARGV[i], '^(%S+) (%d+)()')
end

local function any_is_known()
  local names = {}
  for i = 1, #ids do
    local n = #names
    names[n + 1], names[n + 2] = 'arq:job:' .. ids[i], 'arq:result:' .. ids[i]
  end
  for first = 1, #names, MOST_ARGUMENTS do
    if redis.call('EXISTS', unpack(names, first, math.min(first + MOST_ARGUMENTS - 1, #names))) > 0 then
      return true
    end
  end
  return false
end

local function is_known(id) return redis.call('EXISTS', 'arq:job:' .. id, 'arq:result:' .. id) > 0 end

local function taken_by_another(id, key)
  if not key or key == '' then return false end
  local owner = redis.call('GET', prefix .. key)
  if owner and owner ~= id then return owner end
  redis.call('SET', prefix .. key, id, 'PX', ttl)
  return false
end

local function enqueue(id, actions, keys_and_body)
  local number = math.max(last + 1, now)
  last = number + math.max(1, actions) - 1
  local n = #payloads
  local first = actions > 0 and string.format('P1 %.0f', number) .. keys_and_body
  payloads[n + 1], payloads[n + 2] = 'arq:job:' .. id, first or string.sub(keys_and_body, 2)
  places[n + 1], places[n + 2] = string.format('%.3f', number / 1000), id
  return number
end

local some_are_known = any_is_known()
local full = not some_are_known and above_mark(mark)
if full then return full end
for n = 1, #ids do
  local i, id = 6 + (n - 1) * width, ids[n]
  if some_are_known and is_known(id) then
    answers[n] = 0
  else
    answers[n] = taken_by_another(id, width == 2 and ARGV[i + 1])
      or enqueue(id, tonumber(numbers_of_actions[n]), string.sub(ARGV[i], starts[n]))
  end
end
-- A repeat writes nothing: a Redis that is full by now must not refuse what it has stored.
if #payloads > 0 then
  in_parts('MSET', nil, payloads)
  in_parts('ZADD', queue, places)
  redis.call('SET', last_key, string.format('%.0f', last))
  redis.call('PUBLISH', channel, '1')
end
return answers
