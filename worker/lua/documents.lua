-- Who holds a document, and who waits for it. `worker.scripts` puts this before the scripts that need it.
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
local CLAIMED, ASIDE = '1e13', 2e13
-- Jobs on one document that a worker holds, at most: a hot document must not fill it up.
local HELD_MOST = 64
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
  local payload = redis.pcall('GET', 'arq:job:' .. id)
  -- A key that holds no string answers with an error (a table); one that is gone with false.
  return type(payload) == 'string' and keys_in(payload) or ''
end

local function held_by(holder)
  local jobs, worker = string.match(holder, '^(%d+) (.*)$')
  return tonumber(jobs), worker
end

-- Jobs that are aside for another reason than a document, and stay there when one becomes free: suspects
-- (claim_suspects.lua) and those of an index that is parked (park.lua).
local function kept(aside) return aside .. '-kept' end

-- Put a job aside, under each of its documents; `keep` where no document brings it back.
local function put_aside(queue, aside, id, score, keys, keep)
  redis.call('ZADD', aside, score, id)
  for i = 1, #keys do redis.call('ZADD', aside .. ':' .. keys[i], score, id) end
  if keep then redis.call('ZADD', kept(aside), score, id) end
  redis.call('ZADD', queue, text(tonumber(score) + ASIDE), id)
end

local function leave_aside(aside, id, keys)
  for i = 1, #keys do redis.call('ZREM', aside .. ':' .. keys[i], id) end
  redis.call('ZREM', aside, id)
  redis.call('ZREM', kept(aside), id)
end

-- Put a job that is aside back to its place in the queue.
local function bring_back(queue, aside, id, score)
  leave_aside(aside, id, split(stored_keys(id)))
  redis.call('ZADD', queue, 'XX', score, id)
end

-- Whether a job that is aside could be claimed: it is the first of all that wait for its documents, and none
-- of them is held by another worker than this one.
local function could_go(aside, holders, worker, id)
  -- Asked first, since the rest costs a call for each of its documents.
  if redis.call('ZSCORE', kept(aside), id) then return false end
  local keys = split(stored_keys(id))
  for i = 1, #keys do
    if redis.call('ZRANGE', aside .. ':' .. keys[i], 0, 0)[1] ~= id then return false end
    local holder = redis.call('HGET', holders, keys[i])
    if holder then
      local _, who = held_by(holder)
      if who ~= worker then return false end
    end
  end
  return true
end

-- A document has become free, or nearly: the first jobs that wait for it come back. One that waits for another
-- document as well comes back with that one; nobody behind it goes before it. Returns whether any came back.
local function wake(queue, aside, holders, worker, key)
  local waiting = redis.call('ZRANGE', aside .. ':' .. key, 0, HELD_MOST - 1, 'WITHSCORES')
  for i = 1, #waiting, 2 do
    if not could_go(aside, holders, worker, waiting[i]) then return i > 1 end
    bring_back(queue, aside, waiting[i], waiting[i + 1])
    -- Its payload may have been removed by hand, and its keys with it.
    redis.call('ZREM', aside .. ':' .. key, waiting[i])
  end
  return #waiting > 0
end

-- Jobs of a worker have ended or go back: `ended` counts them by document key. Returns whether that has brought
-- others back, for which somebody has to look.
local function free(queue, aside, holders, worker, ended)
  local keys, freed, kept, nearly = {}, {}, {}, {}
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
        kept[#kept + 1], kept[#kept + 2] = key, left .. ' ' .. worker
        if left < HELD_MOST / 2 then nearly[#nearly + 1] = key end
      end
    end
  end
  many('HDEL', holders, freed)
  many('HSET', holders, kept)
  local woken = false
  if redis.call('EXISTS', aside) == 1 then
    for _, key in ipairs(freed) do woken = wake(queue, aside, holders, worker, key) or woken end
    for _, key in ipairs(nearly) do woken = wake(queue, aside, holders, worker, key) or woken end
  end
  return woken
end
