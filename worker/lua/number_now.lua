-- A number that stands for this moment on the number line of all jobs, without taking it.
--
-- KEYS  1 the last number given out
-- Every job enqueued so far has this number or a lower one, every later job a higher one: the next gets
-- max(last + 1, Redis's clock), which may be this very microsecond (jobs/enqueue.lua).
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
return string.format('%.0f', math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now - 1))
