--@args who address limit device cert ca sn purpose why challenge
--@returns code
-- A certificate was refused to a device.  cert: its SHA-256, raw; sn: hex;
-- challenge: the id of that which was shown, or "": it must still be in the
-- list, and is told of ten times, as the events of others have to go for it
-- {1}
--@include event
if challenge ~= '' then
    local listed = KEYS[1] .. ':c:' .. challenge

    if redis.call('EXISTS', listed) == 0
       or redis.call('HINCRBY', listed, 'told', 1) > 10
    then
        return {1}
    end
end

event(KEYS[1], limit, 'mdm.CertificateRefused', device,
      {cert = cert ~= '' and hex(cert) or nil, ca = ca, serial = sn,
       purpose = purpose, why = why})

return {1}
