-- Remove dead letters for good.
--
-- KEYS  1 dead letters
-- ARGV  the ids
-- Returns how many of them there were.
local removed = 0
for i = 1, #ARGV do
  if forget_letter(KEYS[1], ARGV[i]) then removed = removed + 1 end
end
return removed
