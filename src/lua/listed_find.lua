--@readonly
--@args item id
--@returns digest
-- Which link, or challenge, has this id?  KEYS[1]: mdm:{tenant/prof} or
-- mdm:{tenant/ca}; item: see _listed.lua, behind that key
-- {the SHA-256 of its text, hex, or ""}
return {redis.call('HGET', KEYS[1] .. item .. id, 'digest') or ''}
