--@readonly
--@args id
--@returns code token time subs waits list...
--@row list key tokens
-- What a channel gets now.
-- {1, token ("": no declarations), its time, subscriptions (JSON or ""),
-- 1: a command waits, key, "ServerToken template", …}; {0}: not enrolled
--@include queue
--@include era_of
local T = KEYS[1]
local v = redis.call('HMGET', T .. ':e:' .. id, 'type', 'dt', 'dts', 'dc',
                     'enrolled', 'updated', 'parent', 'era')

if not v[1] then
    return {0}
end

if era_before(T, v[7], v[8]) ~= 0 then
    v[2], v[4] = nil, nil
end

local reply = {1, v[2] or '', v[3] or v[5] or v[6] or '0', '',
               v[4] and queue_has(T, id, v[4]) and 1 or 0}
local all = v[2] and redis.call('HGETALL', T .. ':dm:' .. v[2]) or {}
local keys, at = {}, {}

for i = 1, #all, 2 do

    if all[i] == 'subs' then
        reply[4] = all[i + 1]

    elseif string.find(all[i], '/', 1, true) then
        keys[#keys + 1] = all[i]
        at[all[i]] = all[i + 1]
    end
end

table.sort(keys)

for _, key in ipairs(keys) do
    reply[#reply + 1] = key
    reply[#reply + 1] = at[key]
end

return reply
