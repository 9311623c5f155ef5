-- Answers the next partitions of a target in byte order, each as its name followed by its fields and values, while a
-- scan holds the target; 'lost' if it does not any more, 'damaged' if one has not the fields that it must have.
--
-- KEYS: holds, partitions, state
-- ARGV: the scan, where to begin (as ZRANGEBYLEX takes it), what the keys of hashes begin with,
--       how many entries are enough
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0) < now then
  return {'lost'}
end
local enough, entries = tonumber(ARGV[4]), 0
local page = {'ok'}
for _, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], ARGV[2], '+', 'LIMIT', 0, 500)) do
  local hash = redis.call('HGETALL', ARGV[3] .. name)
  if #hash / 2 ~= tonumber(redis.call('HGET', KEYS[3], 'p:' .. name) or -1) then
    return {'damaged', redis.call('HGET', KEYS[3], 'at') or ''}
  end
  page[#page + 1] = name
  page[#page + 1] = hash
  entries = entries + #hash / 2
  if entries >= enough then
    break
  end
end
return page
