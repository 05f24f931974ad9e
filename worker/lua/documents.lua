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
local CLAIMED, ASIDE = 1e13, 2e13
-- Jobs on one document that a worker holds, at most: a hot document must not fill it up.
local HELD_MOST = 64
-- The first look at a payload: enough for almost every job as a whole.
local FIRST_LOOK = 4096

local function text(score) return string.format('%.3f', score) end

-- The payload and the document keys of a job; keys are nil before admission.
local function read(id)
  local payload = redis.call('GETRANGE', 'arq:job:' .. id, 0, FIRST_LOOK - 1)
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
  for i = 1, #waiting, 2 do bring_back(queue, aside, waiting[i], waiting[i + 1]) end
end

-- One job of this worker on these documents has ended or goes back.
local function free(queue, aside, holders, held, keys)
  local somebody_waits = redis.call('EXISTS', aside) == 1
  for key in string.gmatch(keys, '%S+') do
    local left = redis.call('HINCRBY', held, key, -1)
    if left < 1 then
      redis.call('HDEL', held, key)
      redis.call('HDEL', holders, key)
    end
    if somebody_waits and left < HELD_MOST / 2 then wake(queue, aside, key) end
  end
end
