-- KEYS: a name, then scopes; if a scope must be unmoved, that one last.
-- ARGV: the value, how long it is kept (ms), how long its generations must be kept at least (ms), how long
--       they are kept if it is less; and perhaps what must hold, without which nothing is stored:
--       'lease' and the lease, 'nothing' and perhaps the bytes to reject, 'value' or 'same' and the bytes that it
--       begins with ('same' keeps its time to live), or 'unmoved', the generation, a new one.
-- Values, leases and generations come with the incarnation that they begin with.
-- Answers whether the value was stored: not where there is a fence.
local expect, expected = ARGV[5], ARGV[6]
if redis.pcall('GETRANGE', KEYS[1], 0, 8) == 'F' .. string.sub(ARGV[1], 2, 9) then return 0 end
if expect == 'lease' then
  if redis.pcall('GETRANGE', KEYS[1], 0, #expected) ~= expected then return 0 end
elseif expect == 'nothing' then
  -- What is no string, a lease, and what was written in another life of the server count as nothing.
  local held = redis.pcall('GETRANGE', KEYS[1], 0, math.max(9, expected and #expected or 0) - 1)
  local is_value = type(held) == 'string' and string.sub(held, 1, 9) == string.sub(ARGV[1], 1, 9)
  if is_value and held ~= expected then return 0 end
elseif expect == 'value' or expect == 'same' then
  if redis.pcall('GETRANGE', KEYS[1], 0, #expected - 1) ~= expected then return 0 end
elseif expect == 'unmoved' then
  if redis.call('MGET', KEYS[#KEYS])[1] ~= expected then return 0 end
  redis.call('SET', KEYS[#KEYS], ARGV[7], 'PX', ARGV[4])
end
if expect == 'same' then
  redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
local least = tonumber(ARGV[3])
for i = 2, #KEYS do
  local left = redis.call('PTTL', KEYS[i])
  -- A fence ends when it was to end.
  if left >= 0 and left < least and redis.pcall('GETRANGE', KEYS[i], 16, 16) == '' then
    redis.call('PEXPIRE', KEYS[i], ARGV[4])
  end
end
return 1
