-- Forget dead letters that have expired, up to a number.
--
-- KEYS  1 dead letters
-- ARGV  1 how many at the most
-- Returns how many were forgotten, and how many letters there are now.
return { forget_expired(KEYS[1], tonumber(ARGV[1])), redis.call('ZCARD', KEYS[1]) }
