-- Ask a reindex to stop. The worker sees it at its next save (worker/lua/reindex_save.lua).
--
-- KEYS  1 the reindex's hash
-- Returns 'asked'; 'moving' where the request that moves the alias may have left; 'gone' where its job is no longer
-- in its queue, so that nobody would see the wish; 'ended' where there is nothing to stop.
local phase, moving, job, queue = unpack(redis.call('HMGET', KEYS[1], 'phase', 'moving', 'job', 'queue'))
local ended = { ['"done"'] = 1, ['"failed"'] = 1, ['"cancelled"'] = 1, ['"rolled_back"'] = 1 }
if not phase or ended[phase] then return 'ended' end
if phase == '"switch"' or moving == 'true' then return 'moving' end
if not redis.call('ZSCORE', cjson.decode('[' .. queue .. ']')[1], cjson.decode('[' .. job .. ']')[1]) then
  return 'gone'
end
redis.call('HSET', KEYS[1], 'cancel', 'true')
return 'asked'
