--@onekey
--@args old new_id
--@returns id new
-- This store takes the place of another one: workers that know that one go on
-- with this one.
-- KEYS[1]: mdm:meta; old: the id of the other one; new_id: one for a store that
-- has none
-- the store's id, 1: that was new to it
local meta = KEYS[1]
local v = redis.call('HMGET', meta, 'store_id', 'adopted')
local id, adopted = v[1] or new_id, {}

for other in string.gmatch(v[2] or '', '%x+') do
    if other ~= old then
        adopted[#adopted + 1] = other
    end
end

local new = id ~= old and string.find(v[2] or '', old, 1, true) == nil

if id ~= old then
    adopted[#adopted + 1] = old
end

-- the last ones are enough

redis.call('HSET', meta, 'store_id', id, 'adopted',
           table.concat(adopted, ' ', math.max(1, #adopted - 31)))

return {id, new and 1 or 0}
