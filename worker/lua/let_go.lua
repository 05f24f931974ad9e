-- End the hold of a reindex. Each claim from now on brings some of the held jobs back (claim.lua).
--
-- KEYS  1 held (see jobs/keys.py)
-- ARGV  1 reindex id   then index keys
for i = 2, #ARGV do
  local _, holder = string.match(redis.call('HGET', KEYS[1], ARGV[i]) or '', '^(%S+) (.*)$')
  if holder == ARGV[1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
return redis.status_reply('OK')
