--@onekey
--@args by bind
--@returns code
-- A device that may enroll by its serial number, and what it is given then.
-- KEYS[1]: mdm:{tenant/dev:<serial>}; bind: JSON, sealed where there is a key
-- {1}
--@include clock
redis.call('HSET', KEYS[1], 'bind', bind, 'time', clock(), 'by', by)

return {1}
