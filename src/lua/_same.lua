-- Is the value that is kept the same as a new one?  Byte for byte, or sealed
-- under an older key: "names" holds how it begins under each key
-- (mdm_secret_names()), and is "" where there is none.  nil: what is kept is
-- plain though there are keys.  The caller answers with it, whoever called
-- seals it by secret_swap and calls again: a digest of the new value to compare
-- by would give it away to all who see the arguments.
local function same(old, new, names)
    if old == new then
        return true
    end

    if names == '' then
        return false
    end

    if string.sub(old, 1, 4) ~= '\238MK\1' then
        return nil
    end

    local name = string.sub(old, 1, 24)

    for i = 1, #names, 24 do
        if string.sub(names, i, i + 23) == name then
            return true
        end
    end

    return false
end
