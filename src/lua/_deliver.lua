-- The reply that delivers a command: {1, uuid, RequestType, body}; {0} if
-- there is none; {-5, uuid} if its body is gone, which only eviction or a
-- change by hand can cause: the caller logs it and drops the command.
-- The command that says that declarations changed comes with their present
-- state: {1, uuid, RequestType, body, DeclarationsToken ("": no declarations),
-- its time, digest of what the client says that it supports, or ""}.  A later
-- change needs another command.
-- A renewal that is not made yet: {2, uuid, RequestType, the name of its block,
-- serial number, person, digest of what no device lets a profile change}; ""
-- for the name: the device has another certificate since, and it is to go.
local function deliver(T, id, uuid)
    if not uuid then
        return {0}
    end

    local c = redis.call('HMGET', T .. ':c:' .. uuid, 'type', 'body', 'ddm',
                         'ref', 'cert', 'until')

    if c[4] then
        local v = redis.call('HMGET', T .. ':e:' .. id, 'serial', 'person',
                             'keys', 'cert')
--@include time
        local now = tonumber(time[1])

        -- what was made is sent again as long as its challenge is good, and the
        -- device has the time to use it

        if c[5] ~= v[4] or not c[2] or now + 60 >= tonumber(c[6] or '0') then
            return {2, uuid, c[1] or '', c[5] == v[4] and c[4] or '',
                    v[1] or '', v[2] or '', v[3] or ''}
        end
    end

    if not c[2] then
        return {-5, uuid}
    end

    if not c[3] then
        return {1, uuid, c[1] or '', c[2]}
    end

    local e = T .. ':e:' .. id
    local v = redis.call('HMGET', e, 'dt', 'dts', 'dc', 'enrolled', 'updated',
                         'dk')

    if v[3] == uuid then
        redis.call('HDEL', e, 'dc')
    end

    return {1, uuid, c[1] or '', c[2], v[1] or '',
            v[2] or v[4] or v[5] or '0', v[6] or ''}
end
