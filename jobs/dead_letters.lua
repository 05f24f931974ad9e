-- What producers and workers share of dead letters; put before the scripts that need it.
--
--   <dead>        sorted set: job id -> time of its death in ms, in the order of the deaths, no two the same
--   <dead>:<id>   hash, which expires by itself: kind, name, reason (the report as JSON), died_ms, tries and
--                 raw: what was stored for the job, to the byte, its first line included
--   <dead>-bytes  hash: ':<id>' -> bytes of its raw and its reason; 'total' -> their sum

-- Forget one dead letter, whose hash may have expired; whether there was one to be seen.
local function forget_letter(dead, id)
  local sizes, entry = dead .. '-bytes', ':' .. id
  local bytes = redis.call('HGET', sizes, entry)
  if bytes then
    redis.call('HDEL', sizes, entry)
    redis.call('HINCRBY', sizes, 'total', -tonumber(bytes))
  end
  redis.call('ZREM', dead, id)
  return redis.call('DEL', dead .. ':' .. id) == 1
end

-- Forget the oldest ones whose hashes have expired, `most` at a time; how many there were.
local function forget_expired(dead, most)
  for forgotten = 0, most - 1 do
    local oldest = redis.call('ZRANGE', dead, 0, 0)[1]
    if not oldest or redis.call('EXISTS', dead .. ':' .. oldest) == 1 then return forgotten end
    forget_letter(dead, oldest)
  end
  return most
end
