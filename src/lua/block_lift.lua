--@args who address limit device listed
--@returns code
-- A device is not blocked any more: its certificates count again.
-- listed: 1: mdm:{tenant/block} has it
-- {1}: done; {0}: it was not blocked; {-1}: not enrolled
--@include event
--@include block
local T = KEYS[1]
local e = T .. ':e:' .. device
local v = redis.call('HMGET', e, 'type', 'blocked', 'cert')

if v[2] then
    local kept = {string.match(v[2], '^%l+ %d+ (%S+) (%S+) (%S+) ')}

    for i, name in ipairs({'cert', 'next', 'was'}) do
        local value = kept[i] and block_raw(kept[i])

        if value and not v[3] then
            redis.call('HSET', e, name, value)
        end
    end

    redis.call('HDEL', e, 'blocked')
end

if v[2] or listed == '1' then
    event(T, limit, 'api.Unblock', device, {by = who, address = address})
end

return {v[1] and (v[2] and 1 or 0) or -1}
