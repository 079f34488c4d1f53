--@onekey
--@args look ends same owners...
--@returns code owner
-- A public key belongs to one device: to whom it was certified first.
-- KEYS[1]: mdm:{tenant/spki:<SHA-256 of it>}; look: "1": is it, or may it be,
-- this one's?  Nothing is written then; ends: when the certificate does
-- (Unix seconds); owners: names of who wants it, of which the first is entered;
-- each "same" in a row are one name: under the newest key, which is what is
-- kept of it, under older keys, and plain where it was found to be
-- {1, owner}: it was nobody's; {0, owner}: it is his; {-2, owner}: it is
-- another one's
local key = KEYS[1]
local v = redis.call('HMGET', key, 'owner', 'until')
local owner = not v[1] and ARGV[owners_at]

for i = owners_at, #ARGV do
    if ARGV[i] == v[1] then
        owner = ARGV[i - (i - owners_at) % tonumber(same)]
        break
    end
end

if not owner then
    return {-2, v[1]}
end

if look == '1' then
    return {v[1] and 0 or 1, owner}
end

redis.call('HSET', key, 'owner', owner)

-- a day longer: clocks differ

local last = tonumber(ends) + 86400

if last > (tonumber(v[2] or '') or 0) then
    redis.call('HSET', key, 'until', string.format('%.0f', last))
    redis.call('EXPIREAT', key, string.format('%.0f', last))
end

return {v[1] and 0 or 1, owner}
