--@readonly
--@onekey
--@args
--@returns device
-- Whose is this certificate?  KEYS[1]: its key.  {device or ""}
return {redis.call('GET', KEYS[1]) or ''}
