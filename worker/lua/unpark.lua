-- Bring parked jobs back to their places in the queue: all of one target, or one of each target that has not
-- been probed for a while.
--
-- KEYS  1 to 5: see documents.lua   6 parked targets   7 why
-- ARGV  1 prefix of the sets of parked jobs   2 wake channel   3 target, or '' to probe
--       4 most jobs of the target   5 ms between two probes
-- Returns how many jobs are parked no more, those included that were removed by hand; of a probe the targets that
-- have parked jobs still.
local targets, reasons = KEYS[6], KEYS[7]
-- See claim.lua: where parked jobs are what fills Redis, they must come back all the same.
redis.call('DEL', targets .. ':none')
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local back, effort = 0, 0

-- A job of a set to probe with: any one, not the first, which may wait for another one that is parked too. Where it
-- stands behind another one of the set on a document (a hot one fills the set), that one.
local function any_of(parked)
  local found = redis.call('ZRANDMEMBER', parked, 1, 'WITHSCORES')
  for _, key in ipairs(found[1] and split(stored_keys(found[1])) or {}) do
    local ahead, score = first_waiting(key)
    if ahead and ahead ~= found[1] and redis.call('ZSCORE', parked, ahead) then return { ahead, score } end
  end
  return found
end

local function unpark(target, most)
  local parked = ARGV[1] .. target
  local first = most > 0 and redis.call('ZRANGE', parked, 0, most - 1, 'WITHSCORES')
    or any_of(parked)
  for i = 1, #first, 2 do
    if effort > MOST_EFFORT then break end
    redis.call('ZREM', parked, first[i])
    back = back + 1
    effort = effort + bring_back_kept(first[i], first[i + 1])
  end
  if redis.call('EXISTS', parked) == 0 then
    redis.call('HDEL', targets, target)
    redis.call('HDEL', reasons, target)
  end
end

if ARGV[3] ~= '' then
  unpark(ARGV[3], tonumber(ARGV[4]))
else
  local found = redis.call('HGETALL', targets)
  for i = 1, #found, 2 do
    if now - tonumber(found[i + 1]) >= tonumber(ARGV[5]) then
      redis.call('HSET', targets, found[i], now)
      effort = 0
      unpark(found[i], 0)
    end
  end
end
if back > 0 then redis.call('PUBLISH', ARGV[2], '1') end
return ARGV[3] ~= '' and back or redis.call('HKEYS', targets)
