-- Holds a target still for a scan, or goes on holding it, and answers its checkpoint; 'lost' if a hold to go on with is
-- no more, 'damaged' and the checkpoint if partitions are missing.
--
-- KEYS: holds, state, partitions
-- ARGV: the scan, for how many milliseconds, 'begin' or 'renew'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local duration = tonumber(ARGV[2])
if ARGV[3] == 'renew' and (tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0) < now) then
  return {'lost', ''}
end
local checkpoint, total = unpack(redis.call('HMGET', KEYS[2], 'at', 'partitions'))
total = tonumber(total or 0)
if checkpoint and (redis.call('HLEN', KEYS[2]) ~= total + 2 or redis.call('ZCARD', KEYS[3]) ~= total) then
  return {'damaged', checkpoint}
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. now)
redis.call('ZADD', KEYS[1], now + duration, ARGV[1])
redis.call('PEXPIRE', KEYS[1], duration * 2)
return {'ok', checkpoint or ''}
