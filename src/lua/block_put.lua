--@onekey
--@args id serial answer at reason
--@returns code
-- Blocks a device.  KEYS[1]: mdm:{tenant/block}; id, serial: as for block_get;
-- answer, reason: see _block.lua; at: Unix seconds
-- {1}
local old = redis.call('HGET', KEYS[1], 'u:' .. id)
local before = old and string.match(old, '^%l+ %d+ (%S*) ') or ''

-- another one may have come with it

if before ~= '' and before ~= serial
    and redis.call('HGET', KEYS[1], 's:' .. before) == id
then
    redis.call('HDEL', KEYS[1], 's:' .. before)
end

redis.call('HSET', KEYS[1], 'u:' .. id,
           answer .. ' ' .. at .. ' ' .. serial .. ' ' .. reason)

if serial ~= '' then
    redis.call('HSET', KEYS[1], 's:' .. serial, id)
end

return {1}
