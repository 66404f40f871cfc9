-- KEYS: names, then scopes; with records also the control state of their log, and the log.
-- ARGV: how many names, how many scopes, how long a generation is kept (ms), a new generation (the incarnation and
--       8 bytes); with records: a new epoch, how many records a log keeps, and the records.
-- Answers the epoch and the number of the last record, if there are any.
local names, scopes = tonumber(ARGV[1]), tonumber(ARGV[2])
for i = 1, names do redis.call('UNLINK', KEYS[i]) end
for i = names + 1, names + scopes do redis.call('SET', KEYS[i], ARGV[4], 'PX', ARGV[3]) end
if #ARGV < 7 then return {} end

local control, log = KEYS[names + scopes + 1], KEYS[names + scopes + 2]
local incarnation = string.sub(ARGV[4], 1, 8)
local epoch, number = state_of(control, log, incarnation, ARGV[5])
for i = 7, #ARGV do
  number = number + 1
  local id = string.format('%.0f-0', number)
  local added = redis.pcall('XADD', log, 'MAXLEN', '~', ARGV[6], id, 'r', ARGV[i])
  if type(added) == 'table' and added.err then
    -- The log is not the one of this state. Of the records before, everybody learns by the new epoch.
    epoch, number = begin_anew(control, log, incarnation, ARGV[5])
    number = 1
    redis.call('XADD', log, '1-0', 'r', ARGV[i])
  end
end
redis.call('HSET', control, 's', string.format('%.0f', number))
return {epoch, number}
