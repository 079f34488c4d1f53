--@readonly
--@args after most
--@returns next links...
--@row links id digest enrollment uses ends bind time by
-- A page of the tenant's links, by their ids.  KEYS[1]: mdm:{tenant/prof};
-- after: the last id of the page before, or ""; most: how many are looked at
-- {the last id of those or "" where there are no more, id, …}
--@include clock
local P, out = KEYS[1], {''}
local ids = redis.call('ZRANGEBYLEX', P .. ':links',
                       after == '' and '-' or '(' .. after, '+', 'LIMIT', 0,
                       most)
local now = clock()

if #ids == tonumber(most) then
    out[1] = ids[#ids]
end

for _, id in ipairs(ids) do
    local v = redis.call('HMGET', P .. ':link:' .. id, 'digest', 'enrollment',
                         'uses', 'until', 'bind', 'time', 'by')

    if v[1] and (tonumber(v[4] or '') or 0) > now then
        out[#out + 1] = id

        for i = 1, 7 do
            out[#out + 1] = v[i] or ''
        end
    end
end

return out
