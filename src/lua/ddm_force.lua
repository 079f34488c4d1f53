--@args who address limit nsets names...
--@returns code rev|name
-- POST /v1/notify for sets and declarations: whoever has them is told, changed
-- or not.
-- names: as many sets as nsets says, then declarations
-- {1, revision}; {0}: nobody has any of them; {-1, name}: there is no such
-- set; {-2, id}: no such declaration
--@include event
local D, n = KEYS[1], tonumber(nsets)
local sets, names = {}, {}

local function add(set)
    if not sets[set] then
        sets[set] = true
        names[#names + 1] = set
    end
end

for i = names_at, #ARGV do
    local name = ARGV[i]

    if i < names_at + n then

        if not redis.call('ZSCORE', D .. ':sets', name) then
            return {-1, name}
        end

        add(name)

    else
        if redis.call('EXISTS', D .. ':d:' .. name) == 0 then
            return {-2, name}
        end

        for _, set in ipairs(redis.call('SMEMBERS', D .. ':in:' .. name)) do
            add(set)
        end
    end
end

if #names == 0 then
    return {0}
end

table.sort(names)

local rev = redis.call('HINCRBY', D .. ':meta', 'rev', 1)

for _, set in ipairs(names) do
    redis.call('ZADD', D .. ':sets', rev, set)
    redis.call('ZADD', D .. ':force', rev, set)
end

event(D, limit, 'api.Notify', table.concat(names, ','),
      {by = who, address = address, sets = #names})

return {1, rev}
