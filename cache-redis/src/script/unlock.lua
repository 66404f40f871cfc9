-- KEYS: a lock or a lease. ARGV: a token, and perhaps how much longer it holds the lock (ms), or it gives it back.
-- Answers whether this token holds the lock.
if redis.call('MGET', KEYS[1])[1] ~= ARGV[1] then return 0 end
if ARGV[2] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
redis.call('UNLINK', KEYS[1])
return 1
