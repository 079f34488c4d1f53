--@onekey
--@args by bind rev
--@returns code
-- A device that may enroll by its serial number, and what it is given then.
-- KEYS[1]: mdm:{tenant/dev:<serial>}; bind: JSON, sealed where there is a key;
-- rev: see owned_index
-- {1}; {0}: a later change was here before
--@include clock
local was = redis.call('HGET', KEYS[1], 'rev')

if was and tonumber(was) > tonumber(rev) then
    return {0}
end

redis.call('HSET', KEYS[1], 'bind', bind, 'time', clock(), 'by', by,
           'rev', rev)
redis.call('PERSIST', KEYS[1])

return {1}
