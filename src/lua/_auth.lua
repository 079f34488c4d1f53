--@include clock
--@include next
-- Is this certificate the one pinned to the device, or was it until it was
-- renewed of late?  0: yes; -1: there is no such device; -2: another one is
-- pinned; -3: none is pinned yet; -8: it is to be pinned by renewed.lua first
local function auth(T, device, cert)
    local v = redis.call('HMGET', T .. ':e:' .. device, 'type', 'cert')

    if not v[1] then
        return -1
    end

    if not v[2] then
        return -3
    end

    return v[2] == cert and 0 or certificate_next(T, device, cert)
end

-- written at most once a minute
local function seen(T, id, now)
    local e = T .. ':e:' .. id
    local last = redis.call('HGET', e, 'last_seen')

    if clock_minute(last, now) then
        redis.call('HSET', e, 'last_seen', now)
    end
end
