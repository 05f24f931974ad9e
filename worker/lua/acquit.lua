-- A worker whose lease had ended lives: what it held is no suspect.
--
-- KEYS  1 queue   2 aside   3 accused   4 suspects
-- ARGV  job ids
local queue, aside, accused, suspects = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
-- See claim.lua.
redis.call('DEL', suspects .. ':none')
for i = 1, #ARGV do
  local id = ARGV[i]
  if redis.call('HEXISTS', suspects, id) == 1 then redis.call('HSET', suspects, id, 0) end
  local score = redis.call('ZSCORE', accused, id)
  if score then
    redis.call('ZREM', accused, id)
    bring_back(queue, aside, id, score)
  end
end
return redis.status_reply('OK')
