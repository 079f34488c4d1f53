--@readonly
--@args watcher
--@returns watchers...
--@row watchers name value
-- Watchers of status values, by name.
-- watcher: its name, or "" for all
-- {name, value (JSON), …}; {}: there is none
local all, names, reply = {}, {}, {}

if watcher ~= '' then
    local value = redis.call('HGET', KEYS[1] .. ':w', watcher)

    return value and {watcher, value} or {}
end

local list = redis.call('HGETALL', KEYS[1] .. ':w')

for i = 1, #list, 2 do
    all[list[i]] = list[i + 1]
    names[#names + 1] = list[i]
end

table.sort(names)

for _, name in ipairs(names) do
    reply[#reply + 1] = name
    reply[#reply + 1] = all[name]
end

return reply
