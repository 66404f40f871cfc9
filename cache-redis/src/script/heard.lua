-- KEYS: the control state of a log, the log, and its readers. ARGV: the incarnation, a new epoch, an epoch, a number, and
-- how long anybody goes by what he has read (ms).
-- Answers whether all who go by what they have read have read so far: 1 or 0. In another epoch there is no telling who
-- still goes by this one: 2.
local epoch = state_of(KEYS[1], KEYS[2], ARGV[1], ARGV[2])
if epoch ~= ARGV[3] then return 2 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Readers of the epoch before may not be known in this one, nor those who were noted before the notes were lost.
local began = tonumber(redis.call('HMGET', KEYS[1], 'b')[1] or 0)
if now < math.max(began or 0, beginning_of(KEYS[3], now)) + ARGV[5] then return 0 end
local readers = redis.pcall('HVALS', KEYS[3])
for i = 1, #readers do
  local read, last = string.match(readers[i], ' (%d+) (%d+)$')
  local behind = string.sub(readers[i], 1, 16) ~= epoch or (read and tonumber(read) < tonumber(ARGV[4]))
  if read and tonumber(last) >= now and behind then return 0 end
end
return 1
