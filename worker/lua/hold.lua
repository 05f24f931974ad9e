-- Hold the jobs on some indices for a reindex, or go on holding them; all of them or none.
--
-- KEYS  1 held (see jobs/keys.py)
-- ARGV  1 reindex id   2 how long in ms, from now on   3 '1' to go on   then index keys
-- Returns 1; or 0 where another one has one of them, or where this one has not got them any more.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local hold = string.format('%.0f %s', now + tonumber(ARGV[2]), ARGV[1])
local held = {}
for i = 4, #ARGV do
  local ends, holder = string.match(redis.call('HGET', KEYS[1], ARGV[i]) or '', '^(%S+) (.*)$')
  local lives = ends ~= nil and tonumber(ends) > now
  if (lives and holder ~= ARGV[1]) or (ARGV[3] == '1' and not lives) then return 0 end
  held[#held + 1], held[#held + 2] = ARGV[i], hold
end
redis.call('HSET', KEYS[1], unpack(held))
return 1
