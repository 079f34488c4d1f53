--@readonly
--@onekey
--@args
--@returns value
-- One setup.  KEYS[1]: mdm:{tenant/prof}:s:<name>
-- {JSON, sealed where there is a key; "": there is none}
return {redis.call('HGET', KEYS[1], 'body') or ''}
