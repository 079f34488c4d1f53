--@readonly
--@onekey
--@args id serial
--@returns answer id serial
-- Is a device blocked, by its id or by its serial number?
-- KEYS[1]: mdm:{tenant/block}; id: key form, or ""; serial: key form, upper
-- case, or ""
-- {answer, or "": it is not; the id that is, key form; its serial number}
local v = redis.call('HMGET', KEYS[1], 'u:' .. id, 's:' .. serial)
local entry, owner = v[1], id

if not entry and v[2] then
    owner = v[2]
    entry = redis.call('HGET', KEYS[1], 'u:' .. owner)
end

if not entry then
    return {'', '', ''}
end

local answer, known = string.match(entry, '^(%l+) %d+ (%S*) ')

return {answer or 'refuse', owner, known or ''}
