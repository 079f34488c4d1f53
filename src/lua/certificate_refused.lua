--@args who address limit device cert ca sn purpose why
--@returns code
-- A certificate was refused to a device.  cert: its SHA-256, raw; sn: hex
-- {1}
--@include event
event(KEYS[1], limit, 'mdm.CertificateRefused', device,
      {cert = cert ~= '' and hex(cert) or nil, ca = ca, serial = sn,
       purpose = purpose, why = why})

return {1}
