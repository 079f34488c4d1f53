--@args who address limit id digest purpose uses ttl bind most way enrollment
--@args serial product
--@returns code ends
-- A challenge is about to be made: it is entered in the tenant's list, and
-- audited, before it is good for anything.  What has expired goes, some of it.
-- KEYS[1]: mdm:{tenant/ca}; digest: SHA-256 of the challenge, hex; uses: public
-- keys that may take it; ttl: seconds; bind: JSON, sealed where there is a key,
-- or ""; most: challenges at most; way: "": it is asked for by itself, else how
-- the profile it stands in is asked for, by "enrollment", a block; serial,
-- product: of the device, if they are known
-- Renewals leave a fifth of it to those who enroll.
-- {1, when it expires}, {0, …}: it is there already; {-2}: there are too many;
-- {-4}: too many were made for this device within an hour
--@include event
--@include clock
--@include listed
local C = KEYS[1]
local L = {ids = C .. ':ids', due = C .. ':due', item = C .. ':c:'}
local known = redis.call('HMGET', L.item .. id, 'digest', 'until')

if known[1] == digest then
    return {0, known[2]}
end

-- What a device has said of itself can be sent again by whoever has kept it:
-- that is to hold up this device, and not all.

if serial ~= '' and (way == 'ade' or way == 'ota') then
    local key = C .. ':n:' .. redis.sha1hex(string.upper(serial))
    local made = tonumber(redis.call('GET', key) or '0') + 1

    if made > 20 then
        return {-4}
    end

    if made == 1 then
        redis.call('SET', key, 1, 'EX', 3600)
    else
        redis.call('SET', key, made, 'KEEPTTL')
    end
end

local now = clock()

if not listed.room(L, now, purpose == 'renew' and 0.8 * tonumber(most) or most)
then
    return {-2}
end

local ends = string.format('%.0f', now + tonumber(ttl))

listed.enter(L, id, ends, 'digest', digest, 'purpose', purpose, 'uses', uses,
             'bind', bind, 'time', now, 'by', who)

local data = {by = who, address = address, purpose = purpose,
              expires = tonumber(ends)}

if way == 'ota' and purpose == 'ota' then

    -- for the step before: that the device gets a profile will be told

    return {1, ends}

elseif way == '' then
    data.change = 'new'
    data.uses = tonumber(uses)
    event(C, limit, 'api.Challenge', id, data)
else
    data.way = way
    data.enrollment = enrollment
    data.serial = serial ~= '' and serial or nil
    data.product = product ~= '' and product or nil
    event(C, limit, way == 'api' and 'api.EnrollmentProfile'
                    or 'mdm.Enrolling', id, data)
end

return {1, ends}
