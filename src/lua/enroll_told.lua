--@args who address limit name id data serial once
--@returns code
-- A device that Apple vouches for was not let in: that is told.
-- KEYS[1]: mdm:{tenant/prof}; name: of the event; data: JSON; serial: key form;
-- once: seconds in which the same of this device is told once
-- {1}: told; {0}: it was
--@include event
local P = KEYS[1]

if not redis.call('SET', P .. ':told:' .. name .. ':' .. serial, '', 'NX',
                  'EX', once)
then
    return {0}
end

event(P, limit, name, id, data)

return {1}
