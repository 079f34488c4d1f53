--@onekey
--@args name
--@returns code
-- No worker knows of this webhook any more.
-- KEYS[1]: mdm:{work}
-- {1}
redis.call('HDEL', KEYS[1] .. ':hooks', name)

return {1}
