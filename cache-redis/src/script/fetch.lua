-- KEYS: a name, then scopes.
-- ARGV: how long a new generation is kept (ms), a new generation (8 bytes);
--       with a claim: its lease, how long that is kept (ms); and perhaps the bytes to reject.
-- Answers the value or nil, its time to live (ms), and the generation of each scope.
local found = redis.call('MGET', unpack(KEYS))
local reply = {false, 0}

for i = 2, #KEYS do
  local generation = found[i]
  if not generation or #generation ~= 8 then
    generation = ARGV[2]
    redis.call('SET', KEYS[i], generation, 'PX', ARGV[1])
  end
  reply[i + 1] = generation
end

-- MGET answers nil for what is no string, so another type under the name counts as absent.
local value = found[1]
if value and #value == 17 and string.byte(value) == 80 then
  value = false -- 'P': a lease
end
if value and ARGV[5] then
  local from = string.byte(value) == 86 and 2 or 1 -- the caller knows no 'V'
  if string.sub(value, from, from + #ARGV[5] - 1) == ARGV[5] then value = false end
end

if value then
  reply[1] = value
  reply[2] = redis.call('PTTL', KEYS[1])
elseif ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
return reply
