--@readonly
--@args only serial after most budget
--@returns next looked certificates...
--@row certificates id digest serial ends
-- Certificates of the devices of a partition, by the ids of these: those that
-- are pinned, and those that wait to take their place.
-- only: of this device (key form), or "": of all; serial: of devices with this
-- serial number, upper case, or ""; after: behind this id; most: certificates
-- at most, but for one; budget: ids that are looked at, at most
-- {the id behind which to go on or "", how many were looked at, id, SHA-256
-- (raw), serial number (hex) and end (Unix seconds) of one that is pinned, …}
local T, out = KEYS[1], {'', 0}
local ids = {only}

if only == '' then
    ids = redis.call('ZRANGEBYLEX', T .. ':ids',
                     after == '' and '-' or '(' .. after, '+', 'LIMIT', 0,
                     budget)
end

local function add(id, digest, sn, ends)
    out[#out + 1] = id
    out[#out + 1] = digest
    out[#out + 1] = sn or ''
    out[#out + 1] = ends or ''
end

local n = 0

for i, id in ipairs(ids) do
    local v = redis.call('HMGET', T .. ':e:' .. id, 'cert', 'next', 'serial',
                         'cert_serial', 'cert_end')

    if v[1] and (serial == '' or string.upper(v[3] or '') == serial) then
        add(id, v[1], v[4], v[5])
        n = n + 1

        if v[2] then
            add(id, v[2])
            n = n + 1
        end
    end

    out[2] = i

    if only == '' and (n >= tonumber(most) or i == tonumber(budget)) then
        out[1] = id
        break
    end
end

return out
