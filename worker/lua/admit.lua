-- Give a job that came by plain arq its number, its document keys and no expiry: from now on it counts
-- as enqueued. A job that has its first line already is left as it is, so a repeat changes nothing.
--
-- KEYS  1 queue   2 the last number given out
-- ARGV  1 job id   2 number of actions   3 document keys, each after a space
--       4 '1' to give it its place in the queue by its number, '' to leave its score (stock arq worker)
-- Returns the job's number as text, or nil where the job is gone.
local queue, last_key = KEYS[1], KEYS[2]
local id, actions, keys = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local payload = redis.call('GET', 'arq:job:' .. id)
if not payload then return nil end
local known = string.match(payload, '^P1 (%d+)[^\n]*\n')
if known then return known end

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local number = math.max(tonumber(redis.call('GET', last_key) or '0') + 1, now)
redis.call('SET', last_key, string.format('%.0f', number + actions - 1))
redis.call('SET', 'arq:job:' .. id, string.format('P1 %.0f', number) .. keys .. '\n' .. payload)
if ARGV[4] == '1' then
  redis.call('ZADD', queue, 'XX', string.format('%.3f', number / 1000), id)
end
return string.format('%.0f', number)
