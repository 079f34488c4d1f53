--@readonly
--@args
--@returns setups...
--@row setups name value
-- All setups of a tenant, in the order of their names.  KEYS[1]:
-- mdm:{tenant/prof}
-- {name (key form), JSON, sealed where there is a key, …}
local names = redis.call('SMEMBERS', KEYS[1] .. ':setup')
local reply = {}

table.sort(names)

for _, name in ipairs(names) do
    reply[#reply + 1] = name
    reply[#reply + 1] = redis.call('HGET', KEYS[1] .. ':s:' .. name, 'body')
                        or ''
end

return reply
