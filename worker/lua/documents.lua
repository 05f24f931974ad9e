-- Who holds a document, and who waits for it. `worker.scripts` puts this before the scripts that need it.
--
-- Every unfinished job stays a member of arq's queue, since `arq.jobs.Job.result()` takes a job that is
-- not there for lost. Its score says where it stands:
--   up to now        due
--   after now        deferred
--   1e13 and above   claimed; the score it had is in its worker's claimed set
--   2e13 and above   aside: it waits for a document; the score it had is in `<aside>` and `<aside>:<key>`
--
-- A job that meets a document held by another worker moves aside, under each of its documents. Later jobs
-- on one of them then wait behind it, and move aside as well: nothing overtakes, and what waits does not
-- stand at the head of the queue. A document that becomes free brings the first ones back, scores kept.
--
-- A redis.call costs more than what it does: where many jobs need the same, it is asked once for all.
local CLAIMED, ASIDE = 1e13, 2e13
-- Jobs on one document that a worker holds, at most: a hot document must not fill it up.
local HELD_MOST = 64
-- The first look at a payload: enough for almost every job as a whole.
local FIRST_LOOK = 4096
-- Lua's stack takes no more arguments than 8000 at once; even, so that pairs stay together.
local MOST_ARGUMENTS = 4000

local function text(score) return string.format('%.3f', score) end

-- The same command for a long list of arguments; the answers of all calls in one list.
local function many(command, key, list)
  local answers = {}
  for first = 1, #list, MOST_ARGUMENTS do
    local last = math.min(first + MOST_ARGUMENTS - 1, #list)
    local answer
    if key then
      answer = redis.call(command, key, unpack(list, first, last))
    else
      answer = redis.call(command, unpack(list, first, last))
    end
    if type(answer) == 'table' then
      for _, one in ipairs(answer) do answers[#answers + 1] = one end
    end
  end
  return answers
end

-- The payload and the document keys of a job; keys are nil before admission.
local function read(id)
  local payload = redis.pcall('GETRANGE', 'arq:job:' .. id, 0, FIRST_LOOK - 1)
  -- The answer to a key that holds no string is an error (a table): then nothing is stored that could run.
  if type(payload) == 'table' then return '', nil end
  if #payload == FIRST_LOOK then payload = redis.call('GET', 'arq:job:' .. id) end
  return payload, string.match(payload, '^P1 %d+([^\n]*)\n')
end

-- Put a job that is aside back to its place in the queue.
local function bring_back(queue, aside, id, score)
  local _, keys = read(id)
  for key in string.gmatch(keys or '', '%S+') do redis.call('ZREM', aside .. ':' .. key, id) end
  redis.call('ZREM', aside, id)
  redis.call('ZADD', queue, 'XX', score, id)
end

-- A document has become free, or nearly: the first jobs that wait for it come back.
local function wake(queue, aside, key)
  local waiting = redis.call('ZRANGE', aside .. ':' .. key, 0, HELD_MOST - 1, 'WITHSCORES')
  for i = 1, #waiting, 2 do
    bring_back(queue, aside, waiting[i], waiting[i + 1])
    -- Its payload may have been removed by hand, and its keys with it.
    redis.call('ZREM', aside .. ':' .. key, waiting[i])
  end
end

-- Jobs of this worker have ended or go back: `ended` counts them by document key.
local function free(queue, aside, holders, held, ended)
  local keys, freed, kept = {}, {}, {}
  for key in pairs(ended) do keys[#keys + 1] = key end
  local had = many('HMGET', held, keys)
  local somebody_waits = redis.call('EXISTS', aside) == 1
  for i, key in ipairs(keys) do
    local left = (tonumber(had[i]) or 0) - ended[key]
    if left < 1 then
      freed[#freed + 1] = key
    else
      kept[#kept + 1] = key
      kept[#kept + 1] = left
    end
  end
  many('HDEL', held, freed)
  many('HDEL', holders, freed)
  many('HSET', held, kept)
  if somebody_waits then
    for _, key in ipairs(freed) do wake(queue, aside, key) end
    for i = 1, #kept, 2 do
      if kept[i + 1] < HELD_MOST / 2 then wake(queue, aside, kept[i]) end
    end
  end
end

-- Add the document keys of one job to a table of counts.
local function count(counts, keys)
  for key in string.gmatch(keys, '%S+') do counts[key] = (counts[key] or 0) + 1 end
end
