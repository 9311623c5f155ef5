-- Answers a target's checkpoint and what the hashes of partitions hold, as of one moment; 'damaged' and the checkpoint if
-- something is missing. A target without a checkpoint has nothing, and so has a partition that the state does not know,
-- whatever is left over. (A transaction would be refused as a whole while Redis has no memory left.)
--
-- KEYS: state, partitions, the hash of each partition
-- ARGV: 'state', 'all' or 'fields', the name of each partition, fields
local at, total = unpack(redis.call('HMGET', KEYS[1], 'at', 'partitions'))
if not at then
  return {'ok', '', {}}
end
total = tonumber(total or 0)
if redis.call('HLEN', KEYS[1]) ~= total + 2 or redis.call('ZCARD', KEYS[2]) ~= total then
  return {'damaged', at}
end
local chunk, first = 4000, #KEYS -- unpack has room for 8000; fields stand behind the names
local function values(hash)
  if ARGV[1] == 'all' then
    return redis.call('HGETALL', hash)
  end
  local found = {}
  for from = first, #ARGV, chunk do
    for _, value in ipairs(redis.call('HMGET', hash, unpack(ARGV, from, math.min(from + chunk - 1, #ARGV)))) do
      found[#found + 1] = value
    end
  end
  return found
end
local each = {}
for n = 3, #KEYS do
  local count = redis.call('HGET', KEYS[1], 'p:' .. ARGV[n - 1])
  if count and redis.call('HLEN', KEYS[n]) ~= tonumber(count) then
    return {'damaged', at}
  end
  each[n - 2] = count and values(KEYS[n]) or {}
end
return {'ok', at, each}
