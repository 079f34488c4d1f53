--@args who address limit tell digest ca sn purpose challenge ends
--@returns code
-- A certificate was issued, and stored: it is entered in the list of all.
-- KEYS[1]: mdm:{tenant/ca}; tell: "1": its device is not known yet, so that the
-- event is written here; digest, sn: hex; challenge: its id, or ""; ends: Unix
-- seconds
-- {1}: done; {0}: it was there
--@include event
--@include clock
--@include whole
local C = KEYS[1]

-- by when they expire, and of those that do at once by their digests
local function place(seconds)
    return string.format('%012.0f', tonumber(seconds))
end

certificate_whole(sn)

local gone = redis.call('ZRANGEBYLEX', C .. ':certs', '-',
                        '(' .. place(clock()), 'LIMIT', 0, 100)

if #gone > 0 then
    redis.call('ZREM', C .. ':certs', unpack(gone))
end

if redis.call('ZADD', C .. ':certs', 0, place(ends) .. ':' .. digest) == 0 then
    return {0}
end

if tell == '1' then
    event(C, limit, 'mdm.CertificateIssued', challenge,
          {cert = digest, ca = ca, serial = sn, purpose = purpose,
           expires = tonumber(ends)})
end

return {1}
