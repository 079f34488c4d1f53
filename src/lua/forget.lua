--@args who address limit id budget
--@returns code
-- Takes away what forget_start.lua has said is to go, of a device with its
-- users.  Of a device it leaves what leads to it from other slots, until
-- forget_end: nobody enrolls by what he saw before.  budget: steps of a slice
-- {1}: all of it is gone; {2}: call again; {0}: there is nothing; {-6}: it has
-- enrolled meanwhile
--@include event
--@include clock
--@include queue
--@include status
--@include era
--@include ddm
--@include setup
--@include forget
local T = KEYS[1]
local e = T .. ':e:' .. id
local v = redis.call('HMGET', e, 'type', 'parent', 'enabled', 'forget',
                     'erased', 'forgot', 'serial')

-- Of what is left of it all that leads to it is marked anew: who has looked at
-- it before, to enroll, has to look again, and to claim what he did.

if not v[1] then
    if v[4] then
        redis.call('HINCRBY', e, 'marks', 1)
    end

    return {0}
end

if not v[4] or v[3] == '1' then
    return {-6}
end

old_room = tonumber(budget)

local users = tonumber(v[6] or '0')

for _, user in ipairs(redis.call('SMEMBERS', T .. ':users:' .. id)) do
    if old_room <= 0 or not forget_channel(T, user, id) then
        redis.call('HSET', e, 'forgot', users)
        return {2}
    end

    users = users + 1
end

if old_room <= 0 or not forget_channel(T, id, v[2]) then
    redis.call('HSET', e, 'forgot', users)
    return {2}
end

if not v[2] and v[4] .. (v[7] or '') ~= '' then
    redis.call('HSET', e, 'forget', v[4], 'forget_serial', v[7] or '')
end

event(T, limit, 'api.Forget', id,
      {by = who, address = address, users = not v[2] and users or nil,
       erased = tonumber(v[5] or '')})

return {1}
