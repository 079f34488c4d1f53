--@onekey
--@args spki sn from ends ca
--@returns code id purpose bind sn from ends ca der
-- A public key takes a challenge: the first that come, as many as it is for,
-- have it from then on, each with the serial number and the dates of the
-- certificate that it is given.
-- KEYS[1]: mdm:{tenant/chal:<SHA-256 of it>}; spki: SHA-256 of the key, hex;
-- sn: a new serial number, hex; from, ends: Unix seconds; ca: its name
-- {0, id, …}: taken now; {1, id, …, der}: it was taken by this key, with these
-- serial number and dates; der: the certificate, or "" while it is not stored;
-- {-1}: there is none, or it has expired; {-2, id, purpose}: others have taken
-- it
--@include clock
--@include challenge
local key = KEYS[1]
local code, v = challenge_for(spki)

if code == 0 then
    redis.call('HINCRBY', key, 'used', 1)
    redis.call('HSET', key, 'k:' .. spki,
               sn .. ' ' .. from .. ' ' .. ends .. ' ' .. ca)

    -- a certificate is given again as long as it lives

    local last = redis.call('HGET', key, 'last') or v[6]

    if tonumber(ends) > tonumber(last) then
        redis.call('HSET', key, 'last', ends)
        redis.call('EXPIREAT', key, ends)
    end
end

return challenge_reply(code, v, {sn, from, ends, ca})
