-- Applies a batch. Redis does not undo what a script wrote before an error, so the first half of this one makes sure
-- that the second cannot fail. Counters are never Lua numbers: those are exact up to 2^53 only.
--
-- KEYS: checkpoint, generations, partitions, holds, scratch, and the hash of each partition
-- ARGV: checkpoint before, checkpoint after, generation, and of each partition
--       its name, how many adds, puts and deletes,
--       the fields of the adds, the deltas of the adds, field and value of each put, the fields of the deletes
local checkpoint, generations, partitions, holds, scratch = unpack(KEYS, 1, 5)
local hashes = 6
local chunk = 4000 -- unpack has room for 8000

if (redis.call('GET', checkpoint) or '') ~= ARGV[1] then
  return 'fenced'
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

local at = 4
for hash = hashes, #KEYS do
  redis.call('HLEN', KEYS[hash]) -- fails if it is no hash
  local adds, puts, deletes = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  at = at + 4
  for first = at, at + adds - 1, chunk do
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
redis.call('SET', checkpoint, ARGV[2])
redis.call('SADD', generations, ARGV[3])
at = 4
for hash = hashes, #KEYS do
  local key, name = KEYS[hash], ARGV[at]
  local adds, puts, deletes = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  at = at + 4
  for i = at, at + adds - 1 do
    redis.call('HINCRBY', key, ARGV[i], ARGV[i + adds])
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
  if adds + puts > 0 then
    redis.call('ZADD', partitions, 0, name)
  elseif redis.call('EXISTS', key) == 0 then
    redis.call('ZREM', partitions, name)
  end
end
return 'ok'
