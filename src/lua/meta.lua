--@onekey
-- The number of partitions, fixed by whoever comes first.
-- KEYS[1]: mdm:meta, ARGV: partitions
if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('HSET', KEYS[1], 'partitions', ARGV[1], 'version', 1)
end

return tonumber(redis.call('HGET', KEYS[1], 'partitions'))
