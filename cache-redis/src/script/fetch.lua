-- KEYS: a name, then scopes.
-- ARGV: how long a new generation is kept (ms), a new generation (the incarnation and 8 bytes);
--       with a claim: its lease, how long that is kept (ms), whether it yields to another's ('1');
--       and perhaps the bytes to reject.
-- Answers the value, its time to live (ms), and the generation of each scope, all without the incarnation; without a
-- value nil, and in place of the time to live 1 if the claim has yielded and 2 if there is a fence.
local found = redis.call('MGET', unpack(KEYS))
local reply = {false, 0}
local incarnation = string.sub(ARGV[2], 1, 8)
local fenced = found[1] and string.sub(found[1], 1, 9) == 'F' .. incarnation

for i = 2, #KEYS do
  local generation = found[i]
  -- What was written in another life of the server may have been moved since.
  if not generation or #generation < 16 or string.sub(generation, 1, 8) ~= incarnation then
    generation = ARGV[2]
    redis.call('SET', KEYS[i], generation, 'PX', ARGV[1])
  elseif #generation > 16 then
    -- One that nobody else is given: what is stored under it is never current.
    fenced, generation = true, ARGV[2]
  end
  reply[i + 1] = string.sub(generation, 9)
end
if fenced then
  -- A lease that the look before this has left.
  if ARGV[3] and found[1] == ARGV[3] then redis.call('UNLINK', KEYS[1]) end
  reply[2] = 2
  return reply
end

-- MGET answers nil for what is no string. That counts as absent, and so does what was written in another life of the
-- server. What was never ours is an empty value: whoever asked refuses it, and then asks with bytes to reject.
local value = found[1]
local ours = value and (string.sub(value, 1, 1) == 'V' and #value > 8 or string.sub(value, 1, 1) == 'P' and #value == 25)
if value and not ours and not ARGV[6] then
  reply[1], reply[2] = '', redis.call('PTTL', KEYS[1])
  return reply
end
-- 'P': a lease, perhaps left by the look before this.
local leased = value and #value == 25 and string.sub(value, 1, 9) == 'P' .. incarnation and value ~= ARGV[3]
if value and string.sub(value, 1, 9) ~= 'V' .. incarnation then value = false end
if value and ARGV[6] and string.sub(value, 1, #ARGV[6]) == ARGV[6] then value = false end

if value then
  reply[1] = 'V' .. string.sub(value, 10)
  reply[2] = redis.call('PTTL', KEYS[1])
elseif leased and ARGV[5] == '1' then
  reply[2] = 1
elseif ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
return reply
