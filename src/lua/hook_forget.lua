--@args who address limit name
--@returns code
-- A webhook is in no configuration any more: its place is forgotten.
-- {1}; {0}: it had none
--@include event
local T = KEYS[1]
local out = T .. ':out'

redis.call('UNLINK', T .. ':dead:' .. name)

if redis.call('HDEL', out, 'h:' .. name) == 0 then
    return {0}
end

redis.call('HDEL', out, 'l:' .. name, 'f:' .. name, 's:' .. name, 'e:' .. name,
           'x:h:' .. name)

-- without consumers there is no hash either

local left = 0

for _, field in ipairs(redis.call('HKEYS', out)) do
    left = left + (string.match(field, '^[gh]:') and 1 or 0)
end

if left == 0 then
    redis.call('UNLINK', out)
end

event(T, limit, 'api.WebhookForget', name, {by = who, address = address})

return {1}
