--@args device ends ca sn spki purpose bind challenge from to renew owner der
--@returns code device
-- Enters a certificate that was issued in the ledger, and claims it for its
-- device, if that is known.  KEYS[1]: its key, mdm:{tenant/cert:<sha256>};
-- device: key form, or ""; ends: when both go (Unix seconds); ca: its name;
-- sn: serial number, hex; spki: SHA-256 of the public key, hex; bind: JSON,
-- sealed where there is a key, or ""; challenge: its id, or ""; from, to,
-- renew: Unix seconds; owner: of the public key
-- {1}: entered; {0}: it was there; {-2, other}: it is another device's
local ledger = KEYS[1] .. ':x'
local claimed = redis.call('GET', KEYS[1])

if device ~= '' and claimed and claimed ~= device then
    return {-2, claimed}
end

if device ~= '' and not claimed then
    redis.call('SET', KEYS[1], device)
    redis.call('EXPIREAT', KEYS[1], ends)
end

if redis.call('EXISTS', ledger) == 1 then
    return {0}
end

redis.call('HSET', ledger, 'ca', ca, 'serial', sn, 'key', spki, 'purpose',
           purpose, 'bind', bind, 'challenge', challenge, 'from', from,
           'until', to, 'renew', renew, 'owner', owner, 'device', device,
           'state', 'issued', 'der', der)
redis.call('EXPIREAT', ledger, ends)

return {1}
