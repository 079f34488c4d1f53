--@args who address limit digest ca sn purpose challenge ends
--@returns code
-- A certificate was issued for a device that is not known yet.
-- KEYS[1]: mdm:{tenant/ca}; digest, sn: hex; challenge: its id, or ""; ends:
-- Unix seconds
-- {1}: done; {0}: it was known
--@include event
--@include clock
local C = KEYS[1]
local gone = redis.call('ZRANGEBYSCORE', C .. ':issued', '-inf', clock(),
                        'LIMIT', 0, 100)

if #gone > 0 then
    redis.call('ZREM', C .. ':issued', unpack(gone))
end

if redis.call('ZSCORE', C .. ':issued', digest) then
    return {0}
end

redis.call('ZADD', C .. ':issued', ends, digest)

event(C, limit, 'mdm.CertificateIssued', challenge,
      {cert = digest, ca = ca, serial = sn, purpose = purpose,
       expires = tonumber(ends)})

return {1}
