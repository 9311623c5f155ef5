-- Deletes a generation: one that is not served, or, where ARGV[3] is a checkpoint at which something of it was missing,
-- any that still stands there.
--
-- KEYS: active, generations, state, partitions, holds
-- ARGV: generation, what the keys of hashes begin with, '' or the checkpoint
if ARGV[3] == '' then
  if (redis.call('GET', KEYS[1]) or '1') == ARGV[1] then
    return 'active'
  end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if redis.call('ZCOUNT', KEYS[5], now, '+inf') > 0 then
    return 'held'
  end
elseif redis.call('HGET', KEYS[3], 'at') ~= ARGV[3] then
  return 'fenced'
end
for _, name in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
  redis.call('UNLINK', ARGV[2] .. name)
end
for _, field in ipairs(redis.call('HKEYS', KEYS[3])) do -- the set may have lost some
  if string.sub(field, 1, 2) == 'p:' then
    redis.call('UNLINK', ARGV[2] .. string.sub(field, 3))
  end
end
redis.call('UNLINK', KEYS[3], KEYS[4], KEYS[5])
redis.call('SREM', KEYS[2], ARGV[1])
return 'ok'
