-- The names of which ended jobs leave their documents behind, each for a reindex: see `TOUCHING` in jobs/keys.py.
-- `worker.scripts` puts this before the scripts that change them.
--
-- The first line stands for the rest: who knows it knows the names, whatever has happened in between.
local function rename(touching, reindex, names)
  local lines, own = {}, reindex .. ' '
  local _, rest = string.match(redis.call('GET', touching) or '', '^([^\n]*)\n(.*)$')
  for line in string.gmatch(rest or '', '[^\n]+') do
    if string.sub(line, 1, #own) ~= own then lines[#lines + 1] = line end
  end
  for i = 1, #names do lines[#lines + 1] = own .. names[i] end
  if #lines == 0 then
    redis.call('DEL', touching)
  else
    local text = table.concat(lines, '\n')
    redis.call('SET', touching, redis.sha1hex(text) .. '\n' .. text)
  end
end
