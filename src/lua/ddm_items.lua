--@volatile
--@args id device cert withhold
--@returns code items client capabilities
-- The manifest of a channel.  With it the one handed out before is over.
-- withhold: 1: what the client says that it supports is wanted, too
-- {0, declaration-items (JSON; "": no declarations), digest of that, or "",
-- client-capabilities (JSON, or "")}; {code of auth()}; {-5}: it is gone, which
-- only a hand in the keys can do
--@include auth
--@include era_of
local T = KEYS[1]
local e = T .. ':e:' .. id
local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

local v = redis.call('HMGET', e, 'dt', 'dm', 'parent', 'era', 'dk')
local items = ''

if era_before(T, v[3], v[4]) ~= 0 then
    return {0, '', '', ''}
end

if v[1] then
    items = redis.call('HGET', T .. ':dm:' .. v[1], 'items')

    if not items then
        return {-5}
    end
end

if v[2] then
    redis.call('HDEL', e, 'dm')
end

local said = withhold == '1' and v[5]
             and redis.call('HGET', T .. ':sl:' .. id,
                            'management.client-capabilities')

return {0, items, v[5] or '', said and string.sub(said, 18) or ''}
