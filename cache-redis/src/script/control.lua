#!lua flags=allow-oom
-- Begins every script that uses a log. The control state of a log is its epoch and when that began (ms), the
-- incarnation of the server that it belongs to, and the number of its last record. One that is missing, damaged or of another life of the
-- server begins anew: under a new epoch, with an empty log. Then whoever follows it trusts nothing from before.
-- Never refused for want of room: what the server keeps would be wrong.
local function begin_anew(control, log, incarnation, epoch)
  redis.call('UNLINK', control, log)
  local time = redis.call('TIME')
  local began = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('HSET', control, 'e', epoch, 'i', incarnation, 's', '0', 'b', began)
  return epoch, 0
end

local function state_of(control, log, incarnation, epoch)
  local held = redis.pcall('HMGET', control, 'e', 'i', 's')
  local number = not held.err and held[3] and tonumber(held[3])
  if number and held[1] and #held[1] == 16 and held[2] == incarnation then return held[1], number end
  return begin_anew(control, log, incarnation, epoch)
end

-- The readers of a log have a beginning, too: whoever read before that is not among them. Answers when it was (ms).
local function beginning_of(readers, now)
  local held = redis.pcall('HMGET', readers, 'b')
  if held.err then redis.call('UNLINK', readers) end
  local began = not held.err and tonumber(held[1] or nil)
  if not began then
    redis.call('HSET', readers, 'b', string.format('%.0f', now))
    return now
  end
  return began
end
