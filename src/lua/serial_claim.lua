--@onekey
-- Adds a device to those that came with a serial number.  KEYS[1]: its key,
-- ARGV: device; then, where the certificate counts by this number alone, "1"
-- and the others that may be in it, which were found not to have it
-- {1}: added; {0}: it was there; {-6}: more have come, nothing is written
local device = ARGV[1]

if ARGV[2] == '1' then
    local known = {[device] = true}

    for i = 3, #ARGV do
        known[ARGV[i]] = true
    end

    if redis.call('SCARD', KEYS[1]) > #ARGV - 1 then
        return {-6}
    end

    for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
        if not known[id] then
            return {-6}
        end
    end
end

return {redis.call('SADD', KEYS[1], device)}
