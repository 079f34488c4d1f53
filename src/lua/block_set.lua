--@args who address limit device answer at reason
--@returns code
-- The certificates of a device that is blocked go aside, so that none of its
-- messages fits any more; a poll that asks for them costs what it did.
-- answer, reason: see _block.lua; at: Unix seconds
-- {1}: done; {0}: it was blocked, and answer and reason are these now; {-1}:
-- not enrolled
--@include event
--@include block
local T = KEYS[1]
local e = T .. ':e:' .. device
local v = redis.call('HMGET', e, 'type', 'blocked', 'cert', 'next', 'was')

if not v[1] then
    return {-1}
end

local old = v[2]
                     and {string.match(v[2], '^%l+ (%d+) (%S+) (%S+) (%S+) ')}
local kept = old and old[4] and old
             or {at, block_hex(v[3]), block_hex(v[4]), block_hex(v[5])}

redis.call('HSET', e, 'blocked',
           answer .. ' ' .. table.concat(kept, ' ') .. ' ' .. reason)
redis.call('HDEL', e, 'cert', 'next', 'was')

event(T, limit, 'api.Block', device,
      {by = who, address = address, reason = reason ~= '' and reason or nil,
       unenroll = answer ~= 'refuse'})

return {old and 0 or 1}
