-- a certificate is stored, or never will be: no job need look at it
local function certificate_whole(sn)
    redis.call('ZREM', KEYS[1] .. ':half', sn)
    redis.call('UNLINK', KEYS[1] .. ':h:' .. sn)
end
