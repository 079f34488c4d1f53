--@args who address limit name
--@returns code
-- A webhook, or a consumer group, is in no configuration any more: its place is
-- forgotten.
-- {1}; {0}: it had none
--@include event
local T = KEYS[1]
local out = T .. ':out'

redis.call('UNLINK', T .. ':dead:' .. name)

local found = redis.call('HDEL', out, 'h:' .. name, 'g:' .. name)

redis.call('HDEL', out, 'l:' .. name, 'f:' .. name, 's:' .. name, 'e:' .. name,
           'x:h:' .. name, 'x:g:' .. name)

-- Without consumers there is no hash either, for it alone holds all events: a
-- worker of before may have made one again, to count what it dropped.

local left = 0

for _, field in ipairs(redis.call('HKEYS', out)) do
    left = left + (string.match(field, '^[gh]:') and 1 or 0)
end

if left == 0 then
    redis.call('UNLINK', out)
end

if found == 0 then
    return {0}
end

event(T, limit, 'api.WebhookForget', name, {by = who, address = address})

return {1}
