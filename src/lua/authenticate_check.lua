--@readonly
--@args device
--@returns known cert serial migrated subject der next enabled blocked marks
-- What is pinned to this device?
-- {known, cert or "", serial or "", migrated, digest of the subject that is or
-- was pinned or "", DER of the certificate where that digest is not kept,
-- the certificate of a renewal or "", enabled, how it is refused where it is
-- blocked, or "", how often what is left of it was marked, see _marks.lua}
--@include block_of
--@include marks
local T = KEYS[1]
local v = redis.call('HMGET', T .. ':e:' .. device, 'type', 'cert', 'serial',
                     'migrated', 'csub', 'next', 'enabled', 'blocked',
                     'forget', 'marks')
local der

if v[2] and not v[5] then
    der = redis.call('GET', T .. ':crt:' .. device)
end

return {v[1] and 1 or 0, v[2] or '', v[3] or '', v[4] and 1 or 0, v[5] or '',
        der or '', v[6] or '', v[7] == '1' and 1 or 0, block_answer(v[8]),
        marks_of(v[9], v[10])}
