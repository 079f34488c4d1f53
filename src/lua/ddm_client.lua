--@readonly
--@args id
--@returns code capabilities client refused product os
-- What a channel has said of its declarative management.
-- {1, client-capabilities (JSON; "": it has not said), digest of that, when it
-- refused the command (Unix seconds; "": it has not), product and version of
-- the system of its device, or ""}; {0}: not enrolled
--@include era_of
local T = KEYS[1]
local v = redis.call('HMGET', T .. ':e:' .. id, 'type', 'parent', 'era', 'dx',
                     'dk')

if not v[1] then
    return {0}
end

local d = redis.call('HMGET', T .. ':e:' .. (v[2] or id), 'product', 'os')

if era_before(T, v[2], v[3]) ~= 0 then
    return {1, '', '', '', d[1] or '', d[2] or ''}
end

local said = redis.call('HGET', T .. ':s:' .. id,
                        'management.client-capabilities')

return {1, said and string.sub(said, 18) or '', v[5] or '', v[4] or '',
        d[1] or '', d[2] or ''}
