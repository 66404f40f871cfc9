-- KEYS: the control state of a log, the log, and its readers.
-- ARGV: the incarnation, a new epoch, who reads, for how long that one goes by what it has read (ms); and perhaps the
--       epoch and the number of the record after which to read, and how many records to read.
-- Answers the epoch and the number of the last record, and the records.

-- A connection can outlive the life of the server in which it was made.
local info = redis.pcall('INFO', 'replication')
local told = type(info) == 'string' and string.match(info, 'master_replid:(%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x)')
local known = string.gsub(ARGV[1], '.', function(byte) return string.format('%02x', string.byte(byte)) end)
if told and told ~= known and known ~= '0000000000000000' then
  return redis.error_reply('OUTLIVED the server has begun another life')
end

local epoch, number = state_of(KEYS[1], KEYS[2], ARGV[1], ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
beginning_of(KEYS[3], now)
local function note(read)
  redis.call('HSET', KEYS[3], ARGV[3], epoch .. ' ' .. read .. string.format(' %.0f', now + ARGV[4]))
end
if ARGV[5] ~= epoch then
  -- Somebody who is new to the epoch: a good time to forget who is gone.
  local readers = redis.call('HGETALL', KEYS[3])
  for i = 2, #readers, 2 do
    local last = tonumber(string.match(readers[i], ' (%d+)$'))
    if readers[i - 1] ~= 'b' and (not last or last < now) then redis.call('HDEL', KEYS[3], readers[i - 1]) end
  end
  -- A question from before he knew the epoch may arrive after those that he has asked since: he goes by the answers to these.
  local noted = redis.call('HGET', KEYS[3], ARGV[3]) or ''
  local read = string.sub(noted, 1, 16) == epoch and tonumber(string.match(noted, ' (%d+) %d+$')) or number
  note(string.format('%.0f', math.min(read, number)))
  return {epoch, number}
end
note(ARGV[6])
local records = {}
if number > tonumber(ARGV[6]) then
  records = redis.pcall('XRANGE', KEYS[2], '(' .. ARGV[6] .. '-0', '+', 'COUNT', ARGV[7])
  -- No log: whoever reads finds that there is something between.
  if records.err then records = {} end
end
return {epoch, number, records}
