-- Who holds a document, and who waits for it. `worker.scripts` puts this before the scripts that need it, whose
-- first keys are therefore the same (`Claims.names`):
--
-- KEYS  1 queue   2 this worker's claimed set   3 holders (document key -> jobs and worker)   4 workers (ids)
--       5 aside (jobs that wait for a document, with their scores)
--
-- Every unfinished job stays a member of arq's queue, since `arq.jobs.Job.result()` takes a job that is
-- not there for lost. Its score says where it stands:
--   up to now        due
--   after now        deferred
--   1e13 and above   claimed; the score it had is in its worker's claimed set
--   2e13 and above   aside: it waits for a document; the score it had is in `<aside>` and `<aside>:<key>`
--
-- The holder of a document is '<jobs> <worker>': how many claimed jobs of which worker touch it.
--
-- A job that meets a document held by another worker moves aside, under each of its documents. Later jobs
-- on one of them then wait behind it, and move aside as well: nothing overtakes, and what waits does not
-- stand at the head of the queue. A document that becomes free brings the first ones back, scores kept.
--
-- A redis.call costs more than what it does: where many jobs need the same, it is asked once for all.
local queue, claimed, holders, workers, aside = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
-- Jobs that are aside for another reason than a document, and stay there when one becomes free: suspects
-- (claim_suspects.lua) and those of an index that is parked (park.lua).
local kept = aside .. '-kept'
local CLAIMED, ASIDE = '1e13', 2e13
-- Jobs on one document that a worker holds, at most: a hot document must not fill it up.
local HELD_MOST = 64
-- Documents that one call deals with, about: each takes some microseconds, and nobody else has Redis meanwhile.
local MOST_EFFORT = 4000
-- What is read of a payload for its first line; megabytes may follow.
local FIRST_BYTES = 4096
-- Lua's stack takes no more arguments than 8000 at once; even, so that pairs stay together.
local MOST_ARGUMENTS = 4000

local function text(score) return string.format('%.3f', score) end

-- The same command for a long list of arguments; the answers of all calls in one list.
local function many(command, key, list)
  local answers, size = {}, #list
  for first = 1, size, MOST_ARGUMENTS do
    local last = math.min(first + MOST_ARGUMENTS - 1, size)
    local answer
    if key then
      answer = redis.call(command, key, unpack(list, first, last))
    else
      answer = redis.call(command, unpack(list, first, last))
    end
    if type(answer) == 'table' then
      if size <= MOST_ARGUMENTS then return answer end
      for i = 1, #answer do answers[#answers + 1] = answer[i] end
    end
  end
  return answers
end

-- The document keys in the first line of a job, a space between two; nil before admission.
local function keys_in(payload) return string.match(payload, '^P1 %d+ ?([^\n]*)\n') end

-- Document keys as a list. Almost every job has one.
local function split(keys)
  if keys == '' then return {} end
  if not string.find(keys, ' ', 1, true) then return { keys } end
  local list = {}
  for key in string.gmatch(keys, '%S+') do list[#list + 1] = key end
  return list
end

-- Add the documents of one job to a table of counts.
local function count(counts, keys)
  local list = split(keys)
  for i = 1, #list do counts[list[i]] = (counts[list[i]] or 0) + 1 end
end

-- The document keys of a stored job; none where it is gone or not admitted.
local function stored_keys(id)
  local name = 'arq:job:' .. id
  local start = redis.pcall('GETRANGE', name, 0, FIRST_BYTES - 1)
  -- A key that holds no string answers with an error (a table).
  if type(start) ~= 'string' then return '' end
  local keys = keys_in(start)
  if not keys and #start == FIRST_BYTES and string.sub(start, 1, 3) == 'P1 ' then
    keys = keys_in(redis.call('GET', name))
  end
  return keys or ''
end

local function held_by(holder)
  local jobs, worker = string.match(holder, '^(%d+) (.*)$')
  return tonumber(jobs), worker
end

local registered = {}
local function is_registered(worker)
  if registered[worker] == nil then
    registered[worker] = redis.call('SISMEMBER', workers, worker) == 1
  end
  return registered[worker]
end

-- Whether another worker than this one holds a document. One that is registered no more holds nothing,
-- whatever is written: its job's payload may have been removed by hand.
local function is_anothers(key, worker)
  local holder = redis.call('HGET', holders, key)
  if not holder then return false end
  local _, who = held_by(holder)
  return who ~= worker and is_registered(who)
end

-- What this call knows: the first ones that wait (document key -> job and score), and jobs that are aside.
local firsts, is_aside = {}, {}

-- The first job that waits for a document, and its score. One that is not aside any more was removed by hand,
-- and its documents were not known when it left: it would close this one for good.
local function first_waiting(key)
  local first = firsts[key]
  while not first do
    local line = aside .. ':' .. key
    first = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')
    local id = first[1]
    if id and not is_aside[id] then
      is_aside[id] = redis.call('ZSCORE', aside, id)
      if not is_aside[id] then
        redis.call('ZREM', line, id)
        first = nil
      end
    end
  end
  firsts[key] = first
  return first[1], first[2]
end

-- Put a job aside, under each of its documents; `keep` where no document brings it back.
local function put_aside(id, score, keys, keep)
  redis.call('ZADD', aside, score, id)
  for i = 1, #keys do
    redis.call('ZADD', aside .. ':' .. keys[i], score, id)
    firsts[keys[i]] = nil
  end
  if keep then redis.call('ZADD', kept, score, id) end
  redis.call('ZADD', queue, text(tonumber(score) + ASIDE), id)
end

local function leave_line(key, id)
  redis.call('ZREM', aside .. ':' .. key, id)
  firsts[key] = nil
end

local function leave_aside(id, keys)
  for i = 1, #keys do leave_line(keys[i], id) end
  redis.call('ZREM', aside, id)
  redis.call('ZREM', kept, id)
  is_aside[id] = nil
end

-- Put a job that is aside back to its place in the queue.
local function bring_back(id, score, keys)
  leave_aside(id, keys)
  redis.call('ZADD', queue, 'XX', score, id)
end

-- The same for one that no document brings back; how many documents it has. It may have been aborted or removed by
-- hand: it stays gone.
local function bring_back_kept(id, score)
  if not redis.call('ZSCORE', kept, id) then return 0 end
  local keys = split(stored_keys(id))
  bring_back(id, score, keys)
  return #keys
end

-- Whether a job that is aside could be claimed: it is the first of all that wait for its documents, and none
-- of them is held by another worker than this one.
--
-- It is asked once for each document that has become free: `woken.asked` has its documents, and the one that it
-- is still stuck at. While jobs only come back, those before it stay free, and nothing changes until one does.
local function could_go(worker, id, woken)
  local job = woken.asked[id]
  if not job then
    local stays = redis.call('ZSCORE', kept, id)
    job = { stays = stays, keys = stays and {} or split(stored_keys(id)), next = 1 }
    woken.asked[id] = job
  end
  if job.stays or job.stuck == woken.jobs then return false end
  while job.next <= #job.keys do
    local key = job.keys[job.next]
    if first_waiting(key) ~= id or is_anothers(key, worker) then
      job.stuck = woken.jobs
      return false
    end
    job.next = job.next + 1
  end
  return true
end

local function nobody_woken() return { jobs = 0, documents = 0, asked = {} } end

-- A document has become free, or nearly: the first jobs that wait for it come back. One that waits for another
-- document as well comes back with that one; nobody behind it goes before it. `woken` counts jobs and documents.
local function wake(worker, key, woken)
  for n = 1, HELD_MOST do
    local id, score = first_waiting(key)
    -- Who is behind one that comes back may wait for its end.
    if not id or (n > 1 and woken.documents > MOST_EFFORT) or not could_go(worker, id, woken) then return end
    local keys = woken.asked[id].keys
    bring_back(id, score, keys)
    -- Its payload may have been removed by hand, and its keys with it.
    if #keys == 0 then leave_line(key, id) end
    woken.jobs, woken.documents = woken.jobs + 1, woken.documents + #keys
  end
end

-- Jobs of a worker have ended or go back: `ended` counts them by document key. Returns whether that has brought
-- others back, for which somebody has to look.
local function free(worker, ended)
  local keys, freed, fewer, nearly = {}, {}, {}, {}
  for key in pairs(ended) do keys[#keys + 1] = key end
  local last_one = '1 ' .. worker
  for i, holder in ipairs(many('HMGET', holders, keys)) do
    local key, jobs, who = keys[i], 1, worker
    if holder ~= last_one then jobs, who = held_by(holder or '0 ') end
    if who == worker then
      local left = jobs - ended[key]
      if left < 1 then
        freed[#freed + 1] = key
      else
        fewer[#fewer + 1], fewer[#fewer + 2] = key, left .. ' ' .. worker
        if left < HELD_MOST / 2 then nearly[#nearly + 1] = key end
      end
    end
  end
  many('HDEL', holders, freed)
  many('HSET', holders, fewer)
  if redis.call('EXISTS', aside) == 0 then return false end
  local woken = nobody_woken()
  for _, key in ipairs(freed) do wake(worker, key, woken) end
  for _, key in ipairs(nearly) do wake(worker, key, woken) end
  return woken.jobs > 0
end
