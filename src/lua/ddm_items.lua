--@volatile
--@args id device cert withhold token from
--@returns code client capabilities token next items...
-- The manifest of a channel.  With the last of it the one handed out before is
-- over.
-- withhold: 1: what the client says that it supports is wanted, too; token,
-- from: to go on with one that is large, as the last call has answered them,
-- else ""
-- {0, digest of what the client says that it supports, or "", that
-- (client-capabilities, JSON), or "", token of the manifest, next: where to go
-- on ("": there is no more), pieces of declaration-items (JSON; none: no
-- declarations)}; {code of auth()}; {-5}: it is gone, which only a hand in the
-- keys can do
--@include auth
--@include era_of
local T = KEYS[1]
local e = T .. ':e:' .. id
local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

-- bytes of a reply, about
local most = 524288

local function add(reply, manifest, first)
    local key, size = T .. ':dm:' .. manifest, 0
    local items = redis.call('HGET', key, 'items')
    local pieces = items and string.match(items, '^#(%d+)$')

    if not items or not pieces then
        reply[6] = items
        return items
    end

    for i = first, tonumber(pieces) do
        if size >= most then
            reply[5] = tostring(i)
            break
        end

        local piece = redis.call('HGET', key, '#' .. i)

        if not piece then
            return false
        end

        reply[#reply + 1] = piece
        size = size + #piece
    end

    return true
end

-- A manifest never changes, and is kept for a while when nobody has it any
-- more.  Until its end is read, declarations are those of the one before.

if token ~= '' then
    local reply = {0, '', '', token, ''}

    if not add(reply, token, tonumber(from) or 1) then
        return {-5}
    end

    if reply[5] ~= '' then
        return reply
    end

    local v = redis.call('HMGET', e, 'type', 'dt', 'dm')

    if v[2] == token then
        redis.call('HDEL', e, 'dm')
    elseif v[1] and v[3] ~= token then
        redis.call('HSET', e, 'dm', token)
    end

    return reply
end

local v = redis.call('HMGET', e, 'dt', 'dm', 'parent', 'era', 'dk')

if era_before(T, v[3], v[4]) ~= 0 then
    return {0, '', '', '', ''}
end

local said = withhold == '1' and v[5]
             and redis.call('HGET', T .. ':sl:' .. id,
                            'management.client-capabilities')
local reply = {0, v[5] or '', said and string.sub(said, 18) or '',
               v[1] or '', ''}

if v[1] and not add(reply, v[1], 1) then
    return {-5}
end

if v[2] and reply[5] == '' then
    redis.call('HDEL', e, 'dm')
end

return reply
