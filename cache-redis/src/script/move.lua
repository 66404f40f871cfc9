-- KEYS: a scope. ARGV: the generation that it must have, a new one, how long that is kept (ms).
-- Answers whether it was moved.
if redis.call('MGET', KEYS[1])[1] ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
