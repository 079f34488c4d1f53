--@readonly
--@args what name
--@returns names...
-- Names, sorted.
-- what: "declarations", "sets" (those that say something), "set" (the
--       declarations of one), "in" (the sets that have a declaration)
local D = KEYS[1]
local list = {}

if what == 'declarations' then
    return redis.call('ZRANGEBYLEX', D .. ':ids', '-', '+')
end

if what == 'set' then
    list = redis.call('SMEMBERS', D .. ':s:' .. name)

elseif what == 'in' then
    list = redis.call('SMEMBERS', D .. ':in:' .. name)

else
    for _, set in ipairs(redis.call('ZRANGE', D .. ':sets', 0, -1)) do
        if redis.call('EXISTS', D .. ':s:' .. set, D .. ':f:' .. set,
                      D .. ':sub:' .. set) > 0
        then
            list[#list + 1] = set
        end
    end
end

table.sort(list)

return list
