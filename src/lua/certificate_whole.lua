--@args sn
--@returns code
-- Nothing is left to be done of a certificate.  KEYS[1]: mdm:{tenant/ca}; sn:
-- its serial number, hex
-- {1}
--@include whole
certificate_whole(sn)

return {1}
