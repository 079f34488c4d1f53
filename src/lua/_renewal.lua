-- A device could not install the profile that renews its certificate.  It is
-- asked again before the day is over, each time after twice as long.
-- uuid: of that command; cert: the certificate it was to renew
local function renewal_soon(T, id, uuid, cert, now)
    local v = redis.call('HMGET', T .. ':ren:' .. id, 'uuid', 'n')
    local score = tonumber(redis.call('ZSCORE', T .. ':exp', id) or '')

    if v[1] == uuid and score and redis.call('HGET', T .. ':e:' .. id, 'cert')
                                  == cert
    then
        local again = now + 3600 * 2 ^ math.min(tonumber(v[2]) - 1, 8)

        redis.call('ZADD', T .. ':exp', math.min(score, again), id)
    end
end
