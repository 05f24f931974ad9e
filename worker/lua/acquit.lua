-- A worker whose lease had ended lives: what it held is no suspect.
--
-- KEYS  1 to 5: see documents.lua   6 accused   7 suspects
-- ARGV  job ids
local accused, suspects = KEYS[6], KEYS[7]
-- See claim.lua.
redis.call('DEL', suspects .. ':none')
for i = 1, #ARGV do
  local id = ARGV[i]
  if redis.call('HEXISTS', suspects, id) == 1 then redis.call('HSET', suspects, id, 0) end
  local score = redis.call('ZSCORE', accused, id)
  if score then
    redis.call('ZREM', accused, id)
    bring_back(id, score, split(stored_keys(id)))
  end
end
return redis.status_reply('OK')
