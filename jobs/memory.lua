-- Whether Redis has too little memory left for new jobs; put before the scripts that enqueue.
--
-- `share`: how much of maxmemory may be in use; '' asks nothing.
-- Returns '<bytes in use> <maxmemory>' where more is in use. Else nil; nil as well where Redis has no limit,
-- and where this user may not ask: a producer needs no right to INFO. About 8 µs, so every call asks.
-- As Redis itself does, this leaves out the buffers of replicas and of the append-only file.
local function above_mark(share)
  if share == '' then return nil end
  local info = redis.pcall('INFO', 'memory')
  if type(info) ~= 'string' then return nil end
  local function bytes(name) return tonumber(string.match(info, '\n' .. name .. ':(%d+)') or '0') end
  local limit = bytes('maxmemory')
  if limit == 0 then return nil end
  local used = bytes('used_memory') - bytes('mem_not_counted_for_evict')
  if used <= tonumber(share) * limit then return nil end
  return string.format('%.0f %.0f', used, limit)
end

