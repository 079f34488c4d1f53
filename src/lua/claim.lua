--@onekey
-- Claims a certificate for a device.  KEYS[1]: its key, ARGV: device
-- {1, device}: claimed now; {0, device}: it was already; {-2, other}
local owner = redis.call('GET', KEYS[1])

if not owner then
    redis.call('SET', KEYS[1], ARGV[1])
    return {1, ARGV[1]}
end

return {owner == ARGV[1] and 0 or -2, owner}
