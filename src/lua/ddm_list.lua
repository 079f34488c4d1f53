--@readonly
--@args what name after most
--@returns names...
-- Names.
-- what: "declarations", "sets" (those that say something), "set" (the
--       declarations of one), "in" (the sets that have a declaration)
-- after, most: of declarations the first so many behind this one ("": from the
-- beginning), sorted; the others are as few as sets, and in no order
local D = KEYS[1]

if what == 'declarations' then
    return redis.call('ZRANGEBYLEX', D .. ':ids',
                      after == '' and '-' or '(' .. after, '+',
                      'LIMIT', 0, most)
end

if what == 'set' then
    return redis.call('SMEMBERS', D .. ':s:' .. name)
end

if what == 'in' then
    return redis.call('SMEMBERS', D .. ':in:' .. name)
end

local list = {}

for _, set in ipairs(redis.call('ZRANGE', D .. ':sets', 0, -1)) do
    if redis.call('EXISTS', D .. ':s:' .. set, D .. ':f:' .. set,
                  D .. ':sub:' .. set) > 0
    then
        list[#list + 1] = set
    end
end

return list
