-- Hold the jobs on some indices for a reindex, or go on holding them; all of them or none.
--
-- KEYS  1 held (see jobs/keys.py)
-- ARGV  1 reindex id   2 who holds   3 how long in ms, from now on
--       4 'take'; 'renew' to go on; 'inherit' to go on with what another run of the same reindex holds
--       then index keys
-- Returns 1; or 0 where another one has one of them, or where one that is to go on has ended.
--
-- A take overrides another run's hold for the same reindex: that run has lost the reindex, and can't renew any more.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local hold = string.format('%.0f %s %s', now + tonumber(ARGV[3]), ARGV[1], ARGV[2])
local way = ARGV[4]
local held = {}
for i = 5, #ARGV do
  local ends, id, owner = string.match(redis.call('HGET', KEYS[1], ARGV[i]) or '', '^(%S+) (%S+) ?(%S*)$')
  local lives = ends ~= nil and tonumber(ends) > now
  local ours = id == ARGV[1] and (way ~= 'renew' or owner == ARGV[2])
  if (lives and not ours) or (way ~= 'take' and not lives) then return 0 end
  held[#held + 1], held[#held + 2] = ARGV[i], hold
end
redis.call('HSET', KEYS[1], unpack(held))
return 1
