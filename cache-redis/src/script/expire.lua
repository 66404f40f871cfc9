-- KEYS: a name. ARGV: how long its value is kept from now on (ms).
-- Answers whether there is a value; a lease ('P' and a token) is none, nor is anything that is no string.
local held = redis.pcall('GETRANGE', KEYS[1], 0, 17)
if type(held) ~= 'string' or (#held == 17 and string.byte(held) == 80) then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
