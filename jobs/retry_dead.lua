-- Turn dead letters into new jobs: each new job is enqueued, and its dead letter removed, in one step.
--
-- KEYS  1 queue   2 the last number given out   3 dead letters
-- ARGV  1 prefix of the marks of what was retried   2 their time to live in ms   3 wake channel
--       4 the share of maxmemory that may be in use (see memory.lua), or ''
--       then for each letter: its id, its time of death as it was read, the new job's id, number of actions,
--       document keys (each after a space), the number to keep or '' for a new one, JSON
-- Returns for each letter the id of the new job; '' where there is no such letter and none was retried. In
--       place of all that what above_mark says, when it says something and there is a letter to be retried.
--
-- A letter that is gone was retried, purged or has expired. The mark tells the first: a repeat, by the client
-- after a cut connection or by a person, finds there the job that was made, and makes no second one. The time
-- of death tells a letter from a later one of the same id, whose payload is another.
--
-- Numbers and scores: see enqueue.lua.
local queue, last_key, dead = KEYS[1], KEYS[2], KEYS[3]
local retried, ttl, channel = ARGV[1], ARGV[2], ARGV[3]
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answers = {}

local function next_number(actions)
  local number = math.max(tonumber(redis.call('GET', last_key) or '0') + 1, now)
  redis.call('SET', last_key, string.format('%.0f', number + math.max(1, actions) - 1))
  return number
end

local function enqueue(id, actions, keys, kept, body)
  local number = kept ~= '' and tonumber(kept) or next_number(actions)
  -- A job of 0 actions: see enqueue.lua.
  local first = actions > 0 and string.format('P1 %.0f', number) .. keys .. '\n' or ''
  redis.call('SET', 'arq:job:' .. id, first .. body)
  redis.call('ZADD', queue, string.format('%.3f', number / 1000), id)
end

local function is_there(i) return redis.call('HGET', dead .. ':' .. ARGV[i], 'died_ms') == ARGV[i + 1] end

local full = above_mark(ARGV[4])
for i = 5, #ARGV, 7 do
  if full and is_there(i) then return full end
end
for i = 5, #ARGV, 7 do
  local old, new = ARGV[i], ARGV[i + 2]
  if is_there(i) then
    enqueue(new, tonumber(ARGV[i + 3]), ARGV[i + 4], ARGV[i + 5], ARGV[i + 6])
    redis.call('SET', retried .. old, new, 'PX', ttl)
    forget_letter(dead, old)
    answers[#answers + 1] = new
  else
    answers[#answers + 1] = redis.call('GET', retried .. old) or ''
  end
end
redis.call('PUBLISH', channel, '1')
return answers
