-- Take up the reindex of an alias: a new one, or one that this job has begun before.
--
-- KEYS  1 the reindex's hash   2 set of the aliases that have one
-- ARGV  1 alias   2 job id   3 queue   4 owner (2 to 4 as JSON, as everything in the hash is)
--       5 a JSON list of names and values of a new one: its id, its phase, its times
--       6 when the job was enqueued: a job id may be used again, for another reindex
-- Returns 'ours'; 'running' where another job that still is in its queue has it; 'abandoned' where that job is
-- gone: what it has left behind is ours then, to be tidied up.
local state = KEYS[1]
local ended = { ['"done"'] = 1, ['"failed"'] = 1, ['"cancelled"'] = 1, ['"rolled_back"'] = 1 }
local job, phase, queue, enqueued = unpack(redis.call('HMGET', state, 'job', 'phase', 'queue', 'enqueued'))
if job == ARGV[2] and enqueued == ARGV[6] then
  redis.call('HSET', state, 'owner', ARGV[4])
  return 'ours'
end
if job and not ended[phase] then
  if job ~= ARGV[2] and redis.call('ZSCORE', cjson.decode('[' .. queue .. ']')[1], cjson.decode('[' .. job .. ']')[1]) then
    return 'running'
  end
  redis.call('HSET', state, 'owner', ARGV[4])
  return 'abandoned'
end
-- What an earlier reindex has kept for a rollback outlives it, until a later one has moved the alias.
local kept = redis.call('HGET', state, 'kept')
redis.call('DEL', state)
redis.call('HSET', state, 'job', ARGV[2], 'queue', ARGV[3], 'owner', ARGV[4], 'enqueued', ARGV[6])
redis.call('HSET', state, unpack(cjson.decode(ARGV[5])))
if kept then redis.call('HSET', state, 'kept', kept) end
redis.call('SADD', KEYS[2], ARGV[1])
return 'ours'
