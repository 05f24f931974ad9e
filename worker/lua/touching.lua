-- Have the jobs that end on some index names leave their documents behind for a reindex; or no more.
--
-- KEYS  1 touching   2 touched (see jobs/keys.py)
-- ARGV  1 reindex id   2 documents to keep, at most; '' for any number   3 '1' to drop what was kept
--       then the names; none to be told of nothing more
-- From the end of this call on no job on these names ends, in any queue, without leaving its documents.
local names, set = {}, KEYS[2] .. ':' .. ARGV[1]
for i = 4, #ARGV do names[#names + 1] = ARGV[i] end
if ARGV[3] == '1' then
  redis.call('UNLINK', set, set .. ':deleted', set .. ':bound', set .. ':untold')
elseif redis.call('GET', set .. ':bound') == 'over' then
  names = {} -- what has ended since is not known any more
elseif ARGV[2] == '' then
  redis.call('DEL', set .. ':bound')
else
  redis.call('SET', set .. ':bound', ARGV[2])
end
rename(KEYS[1], ARGV[1], names)
return redis.status_reply('OK')
