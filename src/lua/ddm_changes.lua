--@readonly
--@args since
--@returns rev watchers sets...
--@row sets name definition
-- The sets that changed since a revision, for the copy of a partition.
-- {revision now, watchers (JSON), set, definition (JSON), …}
local D = KEYS[1]
local rev = redis.call('HGET', D .. ':meta', 'rev')
local names = redis.call('ZRANGEBYSCORE', D .. ':sets', '(' .. since, '+inf')
local all = redis.call('HGETALL', D .. ':w')
local watchers, reply = {}, {tonumber(rev or 0), '{}'}

for i = 1, #all, 2 do
    watchers[#watchers + 1] = cjson.encode(all[i]) .. ':' .. all[i + 1]
end

table.sort(watchers)
reply[2] = '{' .. table.concat(watchers, ',') .. '}'
table.sort(names)

for _, set in ipairs(names) do
    local list = redis.call('SMEMBERS', D .. ':s:' .. set)
    local items = {}

    for _, id in ipairs(list) do
        local v = redis.call('HMGET', D .. ':d:' .. id, 'kind', 'token',
                             'vars')

        if v[1] then
            items[#items + 1] = cjson.encode({v[1], id, v[2], v[3] or ''})
        end
    end

    table.sort(items)

    local def = {'"r":' .. redis.call('ZSCORE', D .. ':sets', set),
                 '"n":' .. (redis.call('ZSCORE', D .. ':n', set) or '0'),
                 '"x":' .. (redis.call('ZSCORE', D .. ':force', set) or '0'),
                 '"d":[' .. table.concat(items, ',') .. ']'}
    local filter = redis.call('GET', D .. ':f:' .. set)
    local subs = redis.call('GET', D .. ':sub:' .. set)

    if filter then
        def[#def + 1] = '"f":' .. filter
    end

    if subs then
        def[#def + 1] = '"s":' .. subs
    end

    reply[#reply + 1] = set
    reply[#reply + 1] = '{' .. table.concat(def, ',') .. '}'
end

return reply
