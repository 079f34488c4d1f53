--@args device ends
--@returns code device ca purpose bind renew
-- Claims a certificate for a device.  KEYS[1]: its key; ends: when
-- the claim ends (Unix seconds; 0: never), which is a day after the
-- certificate has: nobody takes it from then on, whatever its clock says.
-- One of the ledger counts as pinned then.
-- {1, device, …}: claimed now; {0, device, …}: it was already, both with what
-- the ledger has, see claim_get; {-2, other}
local owner, at = redis.call('GET', KEYS[1]), tonumber(ends)

if owner and owner ~= device then
    return {-2, owner}
end

if not owner then
    redis.call('SET', KEYS[1], device)
end

-- it is not to be taken away with what was here before

redis.call('UNLINK', KEYS[1] .. ':free')

if at > 0 then
--@include time
    local soonest = tonumber(time[1]) + 86400

    redis.call('EXPIREAT', KEYS[1], string.format('%.0f',
                                                  math.max(at, soonest)))
end

local ledger = KEYS[1] .. ':x'
local v = redis.call('HMGET', ledger, 'ca', 'purpose', 'bind', 'renew',
                     'state')

if v[1] and v[5] ~= 'pinned' then
    redis.call('HSET', ledger, 'state', 'pinned', 'device', device)
end

return {owner and 0 or 1, device, v[1] or '', v[2] or '', v[3] or '',
        v[4] or ''}
