-- The jobs that a worker has claimed, asked for after a claim whose answer was lost. That claim may still be on its
-- way, in a connection that was given up: from now on it takes nothing, since nobody would know of it.
--
-- KEYS  1 this worker's claimed set   2 claim numbers (see jobs/keys.py)   3 workers (ids)
-- ARGV  1 worker id   2 a number that is greater than those of all its claims so far
-- Returns the ids; none where this worker is not registered any more. May be repeated.
if redis.call('SISMEMBER', KEYS[3], ARGV[1]) == 0 then return {} end
-- See claim.lua: this comes before every claim on a full Redis as well.
redis.call('DEL', KEYS[1] .. ':none')
redis.call('ZADD', KEYS[2], 'GT', ARGV[2], ARGV[1])
return redis.call('ZRANGE', KEYS[1], 0, -1)
