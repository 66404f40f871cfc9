-- KEYS: names, then scopes; with records also the control state of their log, and the log.
-- ARGV: how many names, how many scopes, how long a generation is kept (ms), a new generation (the incarnation and
--       8 bytes), the token of a fence or nothing, how long it lasts from now on (ms);
--       with records: a new epoch, how many records a log keeps, and the records.
-- Answers the epoch and the number of the last record, if there are any.
local names, scopes, lasts = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[6])
local incarnation = string.sub(ARGV[4], 1, 8)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Fences stand in place of a name, after an 'F' and the incarnation, or behind a generation: of each the token, 16
-- bytes, and when it ends (ms), 13 digits. Answers those in `held` that still stand, from this place on, with the one of
-- this call for that of the same token; and for how long any of them stands.
local function fences(held, from)
  local standing, last = '', now
  local function add(token, ends)
    standing, last = standing .. token .. string.format('%013.0f', ends), math.max(last, ends)
  end
  for at = from, #held, 29 do
    local token, ends = string.sub(held, at, at + 15), tonumber(string.sub(held, at + 16, at + 28))
    if ends and ends > now and token ~= ARGV[5] then add(token, ends) end
  end
  if lasts > 0 then add(ARGV[5], now + lasts) end
  return standing, last - now
end

for i = 1, names do
  local fenced = redis.pcall('GETRANGE', KEYS[i], 0, 8) == 'F' .. incarnation
  local standing, rest = fences(fenced and redis.call('GETRANGE', KEYS[i], 0, -1) or '', 10)
  if rest > 0 then
    redis.call('SET', KEYS[i], 'F' .. incarnation .. standing, 'PX', rest)
  else
    redis.call('UNLINK', KEYS[i])
  end
end
for i = names + 1, names + scopes do
  local held = redis.pcall('GETRANGE', KEYS[i], 0, -1)
  local ours = type(held) == 'string' and string.sub(held, 1, 8) == incarnation
  local standing, rest = fences(ours and held or '', 17)
  redis.call('SET', KEYS[i], ARGV[4] .. standing, 'PX', rest > 0 and rest or ARGV[3])
end
if #ARGV < 9 then return {} end

local control, log = KEYS[names + scopes + 1], KEYS[names + scopes + 2]
local epoch, number = state_of(control, log, incarnation, ARGV[7])
for i = 9, #ARGV do
  number = number + 1
  local id = string.format('%.0f-0', number)
  local added = redis.pcall('XADD', log, 'MAXLEN', '~', ARGV[8], id, 'r', ARGV[i])
  if type(added) == 'table' and added.err then
    -- The log is not the one of this state. Of the records before, everybody learns by the new epoch.
    epoch, number = begin_anew(control, log, incarnation, ARGV[7])
    number = 1
    redis.call('XADD', log, '1-0', 'r', ARGV[i])
  end
end
redis.call('HSET', control, 's', string.format('%.0f', number))
return {epoch, number}
