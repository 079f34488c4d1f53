--@args device alone others...
--@returns code
-- Adds a device to those that came with a serial number.  KEYS[1]: the key of
-- the number; alone: "1" where the certificate counts by this number alone,
-- then with the others that may be in it, which were found not to have
-- it: for some seconds nobody else can rely on it, until the enrollment is
-- written and can be found.
-- {1}: added; {0}: it was there; {-6}: somebody else came, nothing is written
local key = KEYS[1]

if alone == '1' then
    local known = {[device] = true}
    local busy = redis.call('GET', key .. ':busy')

    for i = others_at, #ARGV do
        known[ARGV[i]] = true
    end

    if busy and busy ~= device or redis.call('SCARD', key) > #ARGV - 1 then
        return {-6}
    end

    for _, id in ipairs(redis.call('SMEMBERS', key)) do
        if not known[id] then
            return {-6}
        end
    end

    redis.call('SET', key .. ':busy', device, 'EX', 30)
end

-- it is not to be taken away with what was here before

redis.call('UNLINK', key .. ':free')

return {redis.call('SADD', key, device)}
