-- Bring parked jobs back to their places in the queue: all of one index, or one of each index that has not
-- been probed for a while.
--
-- KEYS  1 queue   2 aside   3 parked indices   4 why
-- ARGV  1 prefix of the sets of parked jobs   2 wake channel   3 index, or '' to probe
--       4 most jobs of the index   5 ms between two probes
-- Returns how many jobs were brought back; of a probe the indices that have parked jobs still.
local queue, aside, indices, reasons = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
-- See claim.lua: where parked jobs are what fills Redis, they must come back all the same.
redis.call('DEL', indices .. ':none')
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local back = 0

-- A probe is any job, not the first: what blocks one (a missing alias, a missing right) need not block all.
local function unpark(index, most)
  local parked = ARGV[1] .. index
  local first = most > 0 and redis.call('ZRANGE', parked, 0, most - 1, 'WITHSCORES')
    or redis.call('ZRANDMEMBER', parked, 1, 'WITHSCORES')
  for i = 1, #first, 2 do
    redis.call('ZREM', parked, first[i])
    -- It may have been aborted or removed by hand.
    if redis.call('ZSCORE', kept(aside), first[i]) then
      bring_back(queue, aside, first[i], first[i + 1])
      back = back + 1
    end
  end
  if redis.call('EXISTS', parked) == 0 then
    redis.call('HDEL', indices, index)
    redis.call('HDEL', reasons, index)
  end
end

if ARGV[3] ~= '' then
  unpark(ARGV[3], tonumber(ARGV[4]))
else
  local found = redis.call('HGETALL', indices)
  for i = 1, #found, 2 do
    if now - tonumber(found[i + 1]) >= tonumber(ARGV[5]) then
      redis.call('HSET', indices, found[i], now)
      unpark(found[i], 0)
    end
  end
end
if back > 0 then redis.call('PUBLISH', ARGV[2], '1') end
return ARGV[3] ~= '' and back or redis.call('HKEYS', indices)
