-- Makes a generation the active one.
--
-- KEYS: active, checkpoint of the generation
-- ARGV: generation
if ARGV[1] ~= '1' and redis.call('EXISTS', KEYS[2]) == 0 then
  return 'not built'
end
redis.call('SET', KEYS[1], ARGV[1])
return 'ok'
