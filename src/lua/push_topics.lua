--@readonly
--@args most
--@returns topics...
-- Topics of the first enrollments of a partition, those that are enabled.
-- most: enrollments that are looked at
local T = KEYS[1]
local seen, out = {}, {}

for _, id in ipairs(redis.call('ZRANGE', T .. ':ids', 0, tonumber(most) - 1))
do
    local v = redis.call('HMGET', T .. ':e:' .. id, 'enabled', 'topic')

    if v[1] == '1' and v[2] and not seen[v[2]] then
        seen[v[2]] = true
        out[#out + 1] = v[2]
    end
end

return out
