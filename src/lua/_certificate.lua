-- The certificate that is pinned to a device: when it ends, and when it is to
-- be renewed, by which T:exp lists it.  ca: "": none of ours; sn: hex; ends:
-- Unix seconds, "0": not known.  What was under way to renew the one before has
-- come to its end.  It is not renewed at once, whatever "renew" says: where the
-- next one would end as soon, there is nothing to be gained by it.  Include
-- clock before.
local function certificate_dates(T, device, ca, sn, ends, renew)
    redis.call('UNLINK', T .. ':ren:' .. device)
    redis.call('HDEL', T .. ':e:' .. device, 'lapsed')

    if ends == '0' then
        redis.call('HDEL', T .. ':e:' .. device, 'cert_ca', 'cert_serial',
                   'cert_end')
        redis.call('ZREM', T .. ':exp', device)
        return
    end

    redis.call('HSET', T .. ':e:' .. device, 'cert_serial', sn, 'cert_end',
               ends)

    local now, last = clock(), tonumber(ends)
    local first = now + math.min(86400, math.max(600, (last - now) / 2))

    redis.call('ZADD', T .. ':exp', string.format('%.0f',
               math.min(math.max(tonumber(renew), first), last)), device)

    if ca == '' then
        redis.call('HDEL', T .. ':e:' .. device, 'cert_ca')
    else
        redis.call('HSET', T .. ':e:' .. device, 'cert_ca', ca)
    end
end

-- a renewed one takes the place of "old", which is good for a while still
local function certificate_renew(T, device, cert, old, grace)
    local e = T .. ':e:' .. device

    redis.call('HSET', e, 'cert', cert, 'was', old, 'was_until',
               string.format('%.0f', clock() + tonumber(grace)))
    redis.call('HDEL', e, 'next')
end
