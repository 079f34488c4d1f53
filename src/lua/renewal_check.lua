--@args device cert most
--@returns code
-- May who has this certificate have another one, without a challenge?  It must
-- be the pin of its device: the ledger cannot know of all that ends one.
-- cert: its SHA-256, raw; most: renewals a day, since each is kept for as long
-- as it is good
-- {1}; {-1}: there is no such device; {-2}: another one is pinned, or none;
-- {-7}: it has renewed too often today
--@include clock
local e = KEYS[1] .. ':e:' .. device
local v = redis.call('HMGET', e, 'type', 'cert', 'renewals')

if not v[1] then
    return {-1}
end

if v[2] ~= cert then
    return {-2}
end

local today = string.format('%.0f', math.floor(clock() / 86400))
local day, n = string.match(v[3] or '', '^(%d+) (%d+)$')

n = day == today and tonumber(n) or 0

if n >= tonumber(most) then
    return {-7}
end

redis.call('HSET', e, 'renewals', today .. ' ' .. n + 1)

return {1}
