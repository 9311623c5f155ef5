-- Holds a target still for a scan, or goes on holding it, and answers its checkpoint; 'lost' if a hold to go on with is
-- no more.
--
-- KEYS: holds, checkpoint
-- ARGV: the scan, for how many milliseconds, 'begin' or 'renew'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local duration = tonumber(ARGV[2])
if ARGV[3] == 'renew' and (tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0) < now) then
  return {'lost', ''}
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. now)
redis.call('ZADD', KEYS[1], now + duration, ARGV[1])
redis.call('PEXPIRE', KEYS[1], duration * 2)
return {'ok', redis.call('GET', KEYS[2]) or ''}
