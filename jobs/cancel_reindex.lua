-- Ask a reindex to stop. The worker sees it at its next save (worker/lua/reindex_save.lua).
--
-- KEYS  1 the reindex's hash
-- Returns 'asked'; 'moving' where the request that moves the alias may have left; 'ended' where there is nothing
-- to stop.
local phase, moving = unpack(redis.call('HMGET', KEYS[1], 'phase', 'moving'))
local ended = { ['"done"'] = 1, ['"failed"'] = 1, ['"cancelled"'] = 1, ['"rolled_back"'] = 1 }
if not phase or ended[phase] then return 'ended' end
if phase == '"switch"' or moving == 'true' then return 'moving' end
redis.call('HSET', KEYS[1], 'cancel', 'true')
return 'asked'
