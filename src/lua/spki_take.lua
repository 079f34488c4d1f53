--@onekey
--@args name sn from ends ca
--@returns code sn from ends ca der
-- A device renews a certificate with this public key, without a challenge:
-- whoever asks again to renew the same one gets what was made.
-- KEYS[1]: mdm:{tenant/spki:<SHA-256 of it>}, claimed before; name: SHA-256 of
-- the certificate that is renewed, hex; sn: a new serial number, hex; from,
-- ends: Unix seconds; ca: its name
-- {0, sn, …}: taken now; {1, sn, …, der}: taken before, with these; der: the
-- certificate, or "" while it is not stored; {-1}: the key is not claimed.  One
-- that has ended is not given again
--@include clock
local key = KEYS[1]
local v = redis.call('HMGET', key, 'owner', 'k:' .. name, 'd:' .. name,
                     'renews')

if not v[1] then
    return {-1}
end

if v[2] then
    local was = {string.match(v[2], '^(%x+) (%d+) (%d+) (.*)$')}

    if was[1] and tonumber(was[3]) > clock() then
        return {1, was[1], was[2], was[3], was[4], v[3] or ''}
    end

    redis.call('HDEL', key, 'd:' .. name)
end

if v[4] and v[4] ~= name then
    redis.call('HDEL', key, 'k:' .. v[4], 'd:' .. v[4])
end

redis.call('HSET', key, 'renews', name, 'k:' .. name,
           sn .. ' ' .. from .. ' ' .. ends .. ' ' .. ca)

return {0, sn, from, ends, ca, ''}
