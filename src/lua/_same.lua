-- Is the value that is kept the same as a new one?  Byte for byte; or sealed
-- under an older key, or plain: "names" holds the SHA-1 of the plain value
-- and the beginnings of those under older keys (mdm_secret_names())
local function same(old, new, names)
    if old == new then
        return true
    end

    if names == '' then
        return false
    end

    local name = string.sub(old, 1, 24)

    for i = 41, #names, 24 do
        if string.sub(names, i, i + 23) == name then
            return true
        end
    end

    return redis.sha1hex(old) == string.sub(names, 1, 40)
end
