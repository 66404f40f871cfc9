-- KEYS: a scope. ARGV: how long its generation must be kept at least (ms), how long it is kept if it is less.
-- Answers 1: one that is gone is a miss of whatever was stored under it, and no error.
local left = redis.call('PTTL', KEYS[1])
-- A fence ends when it was to end.
if left >= 0 and left < tonumber(ARGV[1]) and redis.pcall('GETRANGE', KEYS[1], 16, 16) == '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
