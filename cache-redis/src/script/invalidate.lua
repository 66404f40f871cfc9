#!lua flags=allow-oom
-- KEYS: names, then scopes.
-- ARGV: how many names, how long a generation is kept (ms), a new generation (the incarnation and 8 bytes).
-- A full server must never refuse this: it frees memory, and what it keeps would be wrong.
local names = tonumber(ARGV[1])
for i = 1, names do redis.call('UNLINK', KEYS[i]) end
for i = names + 1, #KEYS do redis.call('SET', KEYS[i], ARGV[3], 'PX', ARGV[2]) end
return 1
