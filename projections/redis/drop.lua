-- Deletes a generation.
--
-- KEYS: active, generations, checkpoint, partitions, holds
-- ARGV: generation, what the keys of hashes begin with
if (redis.call('GET', KEYS[1]) or '1') == ARGV[1] then
  return 'active'
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('ZCOUNT', KEYS[5], now, '+inf') > 0 then
  return 'held'
end
for _, name in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
  redis.call('UNLINK', ARGV[2] .. name)
end
redis.call('UNLINK', KEYS[3], KEYS[4], KEYS[5])
redis.call('SREM', KEYS[2], ARGV[1])
return 'ok'
