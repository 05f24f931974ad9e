-- Renew this worker's lease.
--
-- KEYS  1 workers (set of ids)   2 this worker's life key   3 the names of all queues
-- ARGV  1 worker id   2 lease in ms   3 what the worker tells of itself   4 '1' to register   5 its queue
-- Returns 1, or 0 where the worker is registered no more: its jobs have been given to others.
-- See claim.lua: a worker on a full Redis must stay alive to drain it.
redis.call('DEL', KEYS[2])
if ARGV[4] == '1' then
  redis.call('SADD', KEYS[1], ARGV[1])
  redis.call('SADD', KEYS[3], ARGV[5])
elseif redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
return 1
