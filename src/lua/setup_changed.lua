--@onekey
--@args
--@returns changes
-- A setup was put or taken away: copies that workers have of them are old.
-- KEYS[1]: that of the declarations' revision, which whoever takes a
-- TokenUpdate asks for anyway: mdm:{tenant/ddm}:meta
-- {how often they have changed}
return {redis.call('HINCRBY', KEYS[1], 'setups', 1)}
