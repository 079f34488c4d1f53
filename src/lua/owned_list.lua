--@readonly
--@args after most
--@returns serials...
-- A page of the serial numbers of owned devices, in key form, sorted.
-- KEYS[1]: mdm:{tenant/prof}; after: the last one of the page before, or ""
return redis.call('ZRANGEBYLEX', KEYS[1] .. ':dev',
                  after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, most)
