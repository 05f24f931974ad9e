-- Bury a job: what was stored for it becomes a dead letter. `worker.scripts` puts this, and what producers
-- share of it (jobs/dead_letters.lua), before the scripts that end jobs.
--
-- dead: the key of the sorted set   kind: rejected, unreadable, unknown or crasher
-- reason: the job's report as JSON   died_ms: now, by Redis's clock, so that all workers agree
-- Bounds: `most` letters, `ttl_ms` of life for each and, where it is given, `most_bytes` for all of them. The
-- oldest go first. The newest one stays whatever it weighs: it took as much room as a job.
-- Returns how many were dropped to make room.
--
-- Whose job it is must have been checked. It is moved, not copied: a large payload is there once only.
local function bury(dead, id, kind, name, reason, died_ms, tries, most, ttl_ms, most_bytes)
  -- Nothing may be stored for it (false), or something that is no string (an error, a table).
  local raw = redis.pcall('GET', 'arq:job:' .. id)
  if type(raw) ~= 'string' then raw = '' end
  redis.call('DEL', 'arq:job:' .. id, dead .. ':' .. id)
  -- The same id may have died before.
  if redis.call('ZSCORE', dead, id) then forget_letter(dead, id) end

  -- No two times are the same, so that a time is a place in the list; a double holds ms with three decimals.
  local newest = redis.call('ZREVRANGE', dead, 0, 0, 'WITHSCORES')[2]
  local died = string.format('%.3f', math.max(tonumber(died_ms), newest and tonumber(newest) + 0.001 or 0))
  local letter, bytes = dead .. ':' .. id, #raw + #reason
  redis.call('HSET', letter, 'kind', kind, 'name', name, 'reason', reason, 'died_ms', died, 'tries', tries,
    'raw', raw)
  redis.call('PEXPIRE', letter, ttl_ms)
  redis.call('ZADD', dead, died, id)
  redis.call('HSET', dead .. '-bytes', ':' .. id, bytes)
  local total = redis.call('HINCRBY', dead .. '-bytes', 'total', bytes)

  forget_expired(dead, 100)
  local letters, dropped = redis.call('ZCARD', dead), 0
  while letters > tonumber(most) or (most_bytes and total > tonumber(most_bytes) and letters > 1) do
    forget_letter(dead, redis.call('ZRANGE', dead, 0, 0)[1])
    letters, dropped = letters - 1, dropped + 1
    total = tonumber(redis.call('HGET', dead .. '-bytes', 'total'))
  end
  return dropped
end
