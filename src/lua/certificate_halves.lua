--@args most
--@returns again halves...
--@row halves sn key name spki ca from ends renew at owner before
-- Certificates that nobody has finished to store, the oldest first; nobody else
-- looks at them for five minutes, and for as many more with each try, a day at
-- most.  KEYS[1]: mdm:{tenant/ca}; most: how many at most
-- {milliseconds until more are due, -1: there are none; see certificate_half
-- and mdm_certificates_issued_t}
--@include clock
local C, out = KEYS[1], {-1}
local now = clock()
local fields = {'key', 'name', 'spki', 'ca', 'from', 'ends', 'renew', 'at',
                'owner', 'before'}

for _, sn in ipairs(redis.call('ZRANGEBYSCORE', C .. ':half', '-inf', now,
                               'LIMIT', 0, most))
do
    local v = redis.call('HMGET', C .. ':h:' .. sn, unpack(fields))

    if v[1] then
        local tries = redis.call('HINCRBY', C .. ':h:' .. sn, 'tries', 1)

        redis.call('ZADD', C .. ':half',
                   string.format('%.0f', now + 300 * math.min(tries, 288)), sn)
        out[#out + 1] = sn

        for i = 1, #fields do
            out[#out + 1] = v[i] or ''
        end
    else
        redis.call('ZREM', C .. ':half', sn)
    end
end

local first = redis.call('ZRANGE', C .. ':half', 0, 0, 'WITHSCORES')

if first[2] then
    out[1] = math.max(0, (tonumber(first[2]) - now) * 1000)
end

return out
