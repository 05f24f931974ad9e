-- Have a job that was handed out to be admitted, and can't be by this worker, come again later.
--
-- KEYS  1 queue
-- ARGV  1 id   2 score
-- Returns 1, or 0 where another worker has admitted it, or where it is gone.
local id = ARGV[1]
local payload = redis.pcall('GET', 'arq:job:' .. id)
if type(payload) ~= 'string' or string.find(payload, '^P1 %d') then return 0 end
if redis.call('EXISTS', 'arq:in-progress:' .. id) == 1 then return 0 end
-- A payload by plain arq would be gone after a day.
redis.call('PERSIST', 'arq:job:' .. id)
redis.call('ZADD', KEYS[1], 'XX', ARGV[2], id)
return 1
