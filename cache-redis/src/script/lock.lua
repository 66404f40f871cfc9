-- KEYS: a lock, and the counter of its holders.
-- ARGV: a token, how long it holds the lock (ms), how long the counter is kept (ms).
-- Answers 0 if another token holds the lock, else the number of this holder: larger than all before it.
local held, counted = unpack(redis.call('MGET', KEYS[1], KEYS[2]))
if held and held ~= ARGV[1] then return 0 end
local number = tonumber(counted)
if not held or not number then
  -- After a rest the counter is gone; the time in microseconds is larger than it ever was.
  local time = redis.call('TIME')
  number = math.max((number or 0) + 1, time[1] * 1000000 + time[2])
  redis.call('SET', KEYS[2], string.format('%.0f', number), 'PX', ARGV[3])
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return number
