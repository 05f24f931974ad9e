-- End the hold of a reindex. Each claim from now on brings some of the held jobs back (claim.lua).
--
-- KEYS  1 held (see jobs/keys.py)
-- ARGV  1 reindex id   2 who holds; '' for whichever run of it   then index keys
for i = 3, #ARGV do
  local id, owner = string.match(redis.call('HGET', KEYS[1], ARGV[i]) or '', '^%S+ (%S+) ?(%S*)$')
  if id == ARGV[1] and (ARGV[2] == '' or owner == ARGV[2]) then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
return redis.status_reply('OK')
