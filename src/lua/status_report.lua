--@readonly
--@args id by which
--@returns code id index digest z body
-- A status report as it came.  by: "index" or "id"; which: that one
-- {1, its id, its index, digest, z, body}; {0}: there is none such;
-- {-1}: not enrolled
--@include era_of
local T = KEYS[1]
local reports = T .. ':sr:' .. id

local v = redis.call('HMGET', T .. ':e:' .. id, 'type', 'parent', 'era')

if not v[1] then
    return {-1}
end

if era_before(T, v[2], v[3]) ~= 0 then
    return {0}
end

local list = redis.call('HGET', reports, 'l') or ''
local i = 0

for rid, digest, z in string.gmatch(list, '(%d+):(%x+):(%d)') do
    if (by == 'id' and rid or tostring(i)) == which then
        local body = redis.call('HGET', reports, digest)

        return body and {1, rid, i, digest, z, body} or {0}
    end

    i = i + 1
end

return {0}
