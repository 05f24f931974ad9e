-- Save where a reindex stands, if it is still this owner's.
--
-- KEYS  1 the reindex's hash
-- ARGV  1 owner   then names and values
-- Returns 'lost' where another owner has it by now: nothing is saved; 'cancel' where somebody wants it to stop
-- (the values are saved); else 'ok'.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 'lost' end
if #ARGV > 1 then redis.call('HSET', KEYS[1], unpack(ARGV, 2)) end
return redis.call('HGET', KEYS[1], 'cancel') == 'true' and 'cancel' or 'ok'
