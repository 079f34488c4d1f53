--@args who address limit id force
--@returns code serial digests...
-- A channel is to be forgotten: from now on it is disabled, and a device has no
-- certificate any more; forget.lua does the rest.  Whoever enrolls meanwhile
-- takes this back.
-- force: 1: also one that is enabled
-- {1, serial number, SHA-256 (hex) of each certificate that is known to be the
-- device's}, also where forget was here before; {0}: not enrolled; {-1}: it is
-- enabled
--@include event
--@include clock
--@include queue
--@include block
--@include era_of
local T = KEYS[1]
local e = T .. ':e:' .. id
local names = {'cert', 'next', 'was', 'issued'}
local v = redis.call('HMGET', e, 'type', 'parent', 'enabled', 'era', 'serial',
                     'blocked', 'forget', 'pf', unpack(names))

if not v[1] and not v[7] then
    return {0}
end

if v[3] == '1' and force ~= '1' and era_before(T, v[2], v[4]) == 0 then
    return {-1}
end

local digests, known = {}, {}

local function add(digest)
    if #digest == 64 and not known[digest] then
        known[digest] = true
        digests[#digests + 1] = digest
    end
end

for i = 1, #names do
    if v[8 + i] then
        add(block_hex(v[8 + i]))
    end
end

-- of one that is blocked, or was to be forgotten before

for digest in string.gmatch((v[6] or '') .. ' ' .. (v[7] or ''), '%x+') do
    add(digest)
end

if not v[1] then
    return {1, redis.call('HGET', e, 'forget_serial') or '', unpack(digests)}
end

redis.call('HSET', e, 'enabled', 0, 'forget', table.concat(digests, ' '))
redis.call('HDEL', e, 'cert', 'next', 'was', 'migrated', 'pf')
push_drop(T, id)

return {1, v[5] or '', unpack(digests)}
