-- KEYS: a name. ARGV: how long its value is kept from now on (ms), how a value of this life of the server begins.
-- Answers whether there is a value.
if redis.pcall('GETRANGE', KEYS[1], 0, #ARGV[2] - 1) ~= ARGV[2] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
