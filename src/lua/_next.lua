-- A certificate is not the one that is pinned.  0: it was, before a renewal of
-- late; -8: it is the one that the renewal brings; -2: neither
local function certificate_next(T, device, cert)
    local n = redis.call('HMGET', T .. ':e:' .. device, 'next', 'was',
                         'was_until')

    if n[1] == cert then
        return -8
    end

    if n[2] == cert and n[3] then
--@include time
        if tonumber(time[1]) < tonumber(n[3]) then
            return 0
        end
    end

    return -2
end
