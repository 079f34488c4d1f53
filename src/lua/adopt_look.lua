--@readonly
--@args device
--@returns code topic uuid z body
-- What a device has answered to ProfileList, the last time.
-- {1, the topic of its pushes, CommandUUID (key form), 1: compressed, the
-- answer}; {0}: there is no such answer; {-1}: not enrolled
local T = KEYS[1]
local v = redis.call('HMGET', T .. ':e:' .. device, 'type', 'topic')

if not v[1] then
    return {-1}
end

-- the newest of its results, and not all

local uuids = redis.call('ZRANGE', T .. ':done:' .. device, -200, -1)

for i = #uuids, 1, -1 do
    local key = T .. ':r:' .. device .. ':' .. uuids[i]
    local r = redis.call('HMGET', key, 'type', 'status', 'known')

    if r[1] == 'ProfileList' and r[2] == 'Acknowledged' and r[3] == '1' then
        local body = redis.call('HMGET', key, 'z', 'body', 'dropped')

        return {body[3] and 0 or 1, v[2] or '', uuids[i], body[1] or '0',
                body[2] or ''}
    end
end

return {0}
