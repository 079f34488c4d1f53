--@readonly
--@onekey
--@args
--@returns digest
-- Which certificate has this serial number?  KEYS[1]: mdm:{tenant/sn:…}
-- {its SHA-256, hex, or ""}
return {redis.call('GET', KEYS[1]) or ''}
