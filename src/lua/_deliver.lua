-- The reply that hands out a command: {1, uuid, RequestType, body}; {0}
-- where there is none; {-5, uuid} where the body is gone, which only
-- eviction or a hand in the keys can do: the caller says so and drops it.
-- That a channel's declarations changed is told with what they are now:
-- {1, uuid, RequestType, body, DeclarationsToken ("": no declarations), its
-- time}; another change makes another command from here on.
local function deliver(T, id, uuid)
    if not uuid then
        return {0}
    end

    local c = redis.call('HMGET', T .. ':c:' .. uuid, 'type', 'body', 'ddm')

    if not c[2] then
        return {-5, uuid}
    end

    if not c[3] then
        return {1, uuid, c[1] or '', c[2]}
    end

    local e = T .. ':e:' .. id
    local v = redis.call('HMGET', e, 'dt', 'dts', 'dc', 'enrolled', 'updated')

    if v[3] == uuid then
        redis.call('HDEL', e, 'dc')
    end

    return {1, uuid, c[1] or '', c[2], v[1] or '',
            v[2] or v[4] or v[5] or '0'}
end
