--@readonly
--@onekey
--@args name
--@returns cert
-- What has become of a transaction that was signed with this public key?
-- KEYS[1]: mdm:{tenant/spki:<SHA-256 of it>}; name: see transaction_put.lua
-- {SHA-256 of the certificate, hex, or ""}
local last, cert = string.match(redis.call('HGET', KEYS[1], 'polled') or '',
                                '^(%x+) (%x+)$')

return {last == name and cert or ''}
