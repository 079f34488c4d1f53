--@readonly
--@args id
--@returns known fields...
--@row fields name value
-- What an administrator assigned to a channel.
-- {1: it is enrolled, field, value, …}, in the order of fields
local T = KEYS[1]
local all = redis.call('HGETALL', T .. ':d:' .. id)
local fields, at = {}, {}

for i = 1, #all, 2 do
    fields[#fields + 1] = all[i]
    at[all[i]] = all[i + 1]
end

table.sort(fields)

local reply = {redis.call('HEXISTS', T .. ':e:' .. id, 'type')}

for _, field in ipairs(fields) do
    reply[#reply + 1] = field
    reply[#reply + 1] = at[field]
end

return reply
