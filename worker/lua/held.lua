-- Which indices are held for a reindex: jobs on them are not to be claimed. `worker.scripts` puts this before the
-- scripts that claim. A hold is a lease: it ends by itself, by Redis's clock.
--
-- Returns the function that answers for a document key, or an index key. All documents of a job are on one index.
local function holds(held, now_ms)
  if redis.call('EXISTS', held) == 0 then return function() return false end end
  local known = {}
  return function(key)
    local index = string.sub(key, 1, 4)
    if known[index] == nil then
      local ends = string.match(redis.call('HGET', held, index) or '', '^%S+')
      known[index] = ends ~= nil and tonumber(ends) > now_ms
      if ends and not known[index] then redis.call('HDEL', held, index) end
    end
    return known[index]
  end
end
