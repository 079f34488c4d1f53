--@readonly
--@args id
--@returns code capabilities client refused product os type supervised
-- What a channel has said of its declarative management.
-- {1, client-capabilities (JSON; "": it has not said), digest of that, when it
-- refused the command (Unix seconds; "": it has not), product and version of
-- the system of its device, or "", type of the channel, "1", "0", or "": is
-- the device supervised?}; {0}: not enrolled
--@include era_of
local T = KEYS[1]
local v = redis.call('HMGET', T .. ':e:' .. id, 'type', 'parent', 'era', 'dx',
                     'dk')

if not v[1] then
    return {0}
end

local d = redis.call('HMGET', T .. ':e:' .. (v[2] or id), 'product', 'os',
                     'supervised')
local said, of, refused

if era_before(T, v[2], v[3]) == 0 then
    said = redis.call('HGET', T .. ':sl:' .. id,
                      'management.client-capabilities')
    of, refused = v[5], v[4]
end

return {1, said and string.sub(said, 18) or '', of or '', refused or '',
        d[1] or '', d[2] or '', v[1], d[3] or ''}
