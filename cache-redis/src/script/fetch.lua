-- KEYS: a name, then scopes.
-- ARGV: how long a new generation is kept (ms), a new generation (8 bytes);
--       with a claim: its lease, how long that is kept (ms), whether it yields to another's ('1');
--       and perhaps the bytes to reject.
-- Answers the value, its time to live (ms), and the generation of each scope; without a value nil, and in place of
-- the time to live whether the claim has yielded.
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
local value, leased = found[1], false
if value and #value == 17 and string.byte(value) == 80 then
  value, leased = false, value ~= ARGV[3] -- 'P': a lease, perhaps left by the look before this
end
if value and ARGV[6] then
  local from = string.byte(value) == 86 and 2 or 1 -- the caller knows no 'V'
  if string.sub(value, from, from + #ARGV[6] - 1) == ARGV[6] then value = false end
end

if value then
  reply[1] = value
  reply[2] = redis.call('PTTL', KEYS[1])
elseif leased and ARGV[5] == '1' then
  reply[2] = 1
elseif ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
return reply
