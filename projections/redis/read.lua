-- Answers a target's checkpoint and what a partition's hash holds, as of one moment; 'damaged' and the checkpoint if
-- something is missing. A target without a checkpoint has nothing, and so has a partition that the state does not know,
-- whatever is left over. (A transaction would be refused as a whole while Redis has no memory left.)
--
-- KEYS: state, partitions, the hash
-- ARGV: 'state', 'all' or 'fields', the partition's name, fields
local at, total, count = unpack(redis.call('HMGET', KEYS[1], 'at', 'partitions', 'p:' .. ARGV[2]))
if not at then
  return {'ok', '', {}}
end
total = tonumber(total or 0)
if redis.call('HLEN', KEYS[1]) ~= total + 2 or redis.call('ZCARD', KEYS[2]) ~= total then
  return {'damaged', at}
end
if ARGV[1] == 'state' or not count then
  return {'ok', at, {}}
end
if redis.call('HLEN', KEYS[3]) ~= tonumber(count) then
  return {'damaged', at}
end
if ARGV[1] == 'all' then
  return {'ok', at, redis.call('HGETALL', KEYS[3])}
end
local values, chunk = {}, 4000 -- unpack has room for 8000
for first = 3, #ARGV, chunk do
  for _, value in ipairs(redis.call('HMGET', KEYS[3], unpack(ARGV, first, math.min(first + chunk - 1, #ARGV)))) do
    values[#values + 1] = value
  end
end
return {'ok', at, values}
