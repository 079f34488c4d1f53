-- What opens a door lies in a slot of its own, by its digest, and a list of the
-- tenant tells of it.  L.ids: zset of ids, score 0; L.due: the same by when
-- they expire; L.item: what comes before an id in the name of its hash.
local listed = {}

-- what has expired goes, some of it; is there room for another one then?
function listed.room(L, now, most)
    local gone = redis.call('ZRANGEBYSCORE', L.due, '-inf', now, 'LIMIT', 0,
                            100)

    if #gone > 0 then
        for _, id in ipairs(gone) do
            redis.call('UNLINK', L.item .. id)
        end

        redis.call('ZREM', L.due, unpack(gone))
        redis.call('ZREM', L.ids, unpack(gone))
    end

    return redis.call('ZCARD', L.ids) < tonumber(most)
end

-- "...": more fields, and their values
function listed.enter(L, id, ends, ...)
    redis.call('HSET', L.item .. id, 'until', ends, ...)
    redis.call('EXPIREAT', L.item .. id, ends)
    redis.call('ZADD', L.due, ends, id)
    redis.call('ZADD', L.ids, 0, id)
end

-- {the last id that was looked at, or "" where there are no more; of each that
-- has not expired: id, digest, field, uses, until, bind, time, by}
function listed.page(L, now, after, most, field)
    local out = {''}
    local ids = redis.call('ZRANGEBYLEX', L.ids,
                           after == '' and '-' or '(' .. after, '+', 'LIMIT',
                           0, most)

    if #ids == tonumber(most) then
        out[1] = ids[#ids]
    end

    for _, id in ipairs(ids) do
        local v = redis.call('HMGET', L.item .. id, 'digest', field, 'uses',
                             'until', 'bind', 'time', 'by')

        if v[1] and (tonumber(v[4] or '') or 0) > now then
            out[#out + 1] = id

            for i = 1, 7 do
                out[#out + 1] = v[i] or ''
            end
        end
    end

    return out
end
