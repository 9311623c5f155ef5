-- Applies a batch. Redis does not undo what a script wrote before an error, so the first half of this one makes sure
-- that the second cannot fail. Counters are never Lua numbers: those are exact up to 2^53 only.
--
-- It also makes sure that Redis still has what it was given: the state knows how many fields each hash has.
--
-- KEYS: state, generations, partitions, holds, scratch, and the hash of each partition
-- ARGV: checkpoint before, checkpoint after, generation, what the keys of hashes begin with, and of each partition
--       its name, how many adds, puts and deletes,
--       the fields of the adds, the deltas of the adds, field and value of each put, the fields of the deletes
local state, generations, partitions, holds, scratch = unpack(KEYS, 1, 5)
local hashes = 6
local first_partition = 5
local chunk = 4000 -- unpack has room for 8000

local checkpoint, total = unpack(redis.call('HMGET', state, 'at', 'partitions'))
if (checkpoint or '') ~= ARGV[1] then
  return 'fenced'
end
total = tonumber(total or 0)
if checkpoint and (redis.call('HLEN', state) ~= total + 2 or redis.call('ZCARD', partitions) ~= total) then
  return 'damaged'
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('ZCOUNT', holds, now, '+inf') > 0 then
  return 'held'
end

-- problem says why a delta cannot be added to what a field holds.
local function problem(was, delta)
  if was ~= '0' and not string.find(was, '^%-?[1-9]%d*$') then
    return 'not a counter'
  end
  if #was <= 18 and #delta <= 18 then -- both below 10^18
    return nil
  end
  redis.call('SET', scratch, was)
  local sum = redis.pcall('INCRBY', scratch, delta)
  redis.call('DEL', scratch)
  if type(sum) == 'table' then
    return 'overflow'
  end
end

local at = first_partition
local lengths, counts = {}, {} -- of each hash: how many fields it has, and how many it must have, nil for none
for hash = hashes, #KEYS do
  lengths[hash] = redis.call('HLEN', KEYS[hash]) -- fails if it is no hash
  local count = checkpoint and redis.call('HGET', state, 'p:' .. ARGV[at])
  if count and tonumber(count) ~= lengths[hash] then
    return 'damaged'
  end
  counts[hash] = count or nil
  local adds, puts, deletes = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  at = at + 4
  for first = at, count and at + adds - 1 or 0, chunk do
    local last = math.min(first + chunk, at + adds) - 1
    local held = redis.call('HMGET', KEYS[hash], unpack(ARGV, first, last))
    for i = first, last do
      local was = held[i - first + 1]
      local why = was and problem(was, ARGV[i + adds])
      if why then
        return why
      end
    end
  end
  at = at + 2 * adds + 2 * puts + deletes
end

-- First a command that Redis refuses when its memory is full: later ones it does not refuse any more.
redis.call('SET', scratch, '')
redis.call('DEL', scratch)
if not checkpoint then -- what is there is left over from a target that lost its state
  for _, name in ipairs(redis.call('ZRANGE', partitions, 0, -1)) do
    redis.call('UNLINK', ARGV[4] .. name)
  end
  local earlier = string.sub(ARGV[4], 1, -3) .. 'checkpoint' -- of a program whose targets had no state
  redis.call('UNLINK', state, partitions, earlier)
  total = 0
end
redis.call('SADD', generations, ARGV[3])
local news = {}
at = first_partition
for hash = hashes, #KEYS do
  local key, name = KEYS[hash], ARGV[at]
  local adds, puts, deletes = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  at = at + 4
  if not counts[hash] and lengths[hash] > 0 then
    redis.call('UNLINK', key)
  end
  if counts[hash] then
    for i = at, at + adds - 1 do
      redis.call('HINCRBY', key, ARGV[i], ARGV[i + adds])
    end
  else -- a new hash, where a counter begins with what is added: many go together, as in a rebuild
    for first = at, at + adds - 1, chunk / 2 do
      local begun = {}
      for i = first, math.min(first + chunk / 2, at + adds) - 1 do
        begun[#begun + 1] = ARGV[i]
        begun[#begun + 1] = ARGV[i + adds]
      end
      redis.call('HSET', key, unpack(begun))
    end
  end
  at = at + 2 * adds
  for first = at, at + 2 * puts - 1, chunk do
    redis.call('HSET', key, unpack(ARGV, first, math.min(first + chunk, at + 2 * puts) - 1))
  end
  at = at + 2 * puts
  for first = at, at + deletes - 1, chunk do
    redis.call('HDEL', key, unpack(ARGV, first, math.min(first + chunk, at + deletes) - 1))
  end
  at = at + deletes
  local length = redis.call('HLEN', key)
  if length > 0 then
    if not counts[hash] then
      redis.call('ZADD', partitions, 0, name)
      total = total + 1
    end
    if tonumber(counts[hash]) ~= length then
      news[#news + 1] = 'p:' .. name
      news[#news + 1] = length
    end
  elseif counts[hash] then
    redis.call('ZREM', partitions, name)
    redis.call('HDEL', state, 'p:' .. name)
    total = total - 1
  end
end
for first = 1, #news, chunk do
  redis.call('HSET', state, unpack(news, first, math.min(first + chunk - 1, #news)))
end
redis.call('HSET', state, 'at', ARGV[2], 'partitions', total)
return 'ok'
