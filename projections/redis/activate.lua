-- Makes a generation the active one.
--
-- KEYS: active, state of the generation
-- ARGV: generation
if ARGV[1] ~= '1' and redis.call('HEXISTS', KEYS[2], 'at') == 0 then
  return 'not built'
end
redis.call('SET', KEYS[1], ARGV[1])
return 'ok'
