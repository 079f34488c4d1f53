--@args device cert most spki
--@returns code serial
-- May who has this certificate have another one, without a challenge?  It must
-- be the pin of its device: the ledger cannot know of all that ends one.
-- cert: its SHA-256, raw; most: renewals a day, since each is kept for as long
-- as it is good; spki: SHA-256 of the new public key, hex: who asks again with
-- the last one is not counted again
-- {1, serial number that the device has told, or ""}; {-1}: there is no such
-- device; {-2}: another one is pinned, or none; {-7}: it has renewed too often
-- today
--@include clock
local e = KEYS[1] .. ':e:' .. device
local v = redis.call('HMGET', e, 'type', 'cert', 'renewals', 'serial')

if not v[1] then
    return {-1}
end

if v[2] ~= cert then
    return {-2}
end

local today = string.format('%.0f', math.floor(clock() / 86400))
local day, n, last = string.match(v[3] or '', '^(%d+) (%d+) ?(%x*)$')
local this = string.sub(spki, 1, 16)

n = day == today and tonumber(n) or 0

if n == 0 or last ~= this then
    if n >= tonumber(most) then
        return {-7}
    end

    redis.call('HSET', e, 'renewals', today .. ' ' .. n + 1 .. ' ' .. this)
end

return {1, v[4] or ''}
