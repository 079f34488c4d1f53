--@onekey
-- Takes back a claim that was not used.  KEYS[1]: its key, ARGV: device
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
end

return {0}
