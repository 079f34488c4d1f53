-- The index of status values: a zset for each item, all scores 0, members
-- "<sort key>\0<id>" in the order of their bytes.  A value comes as JSON text
-- and is sorted by what it is: booleans, numbers, text, versions.

-- numbers parted by dots: each as its length, a letter, and its digits
local function status_version(text)
    if not string.find(text, '^%d[%d%.]*$') then
        return nil
    end

    local key = 'v'

    for part in string.gmatch(text .. '.', '(%d*)%.') do
        if part == '' or #part > 26
            or #part > 1 and string.sub(part, 1, 1) == '0'
        then
            return nil
        end

        key = key .. string.char(64 + #part) .. part
    end

    return key
end

-- the bits of a double, turned so that their order is that of the numbers
local function status_number(n)
    local bytes = {string.byte(struct.pack('>d', n == 0 and 0 or n), 1, 8)}
    local negative = bytes[1] >= 128

    for i, byte in ipairs(bytes) do
        if negative then
            byte = 255 - byte
        elseif i == 1 then
            byte = byte + 128
        end

        bytes[i] = string.format('%02x', byte)
    end

    return 'n' .. table.concat(bytes)
end

-- the text of a JSON string; nil: it is another value, too long or with a NUL
local function status_text(json)
    if string.sub(json, 1, 1) ~= '"' or #json > 1538 then
        return nil
    end

    local text = cjson.decode('[' .. json .. ']')[1]

    return #text <= 256 and not string.find(text, '%z') and text or nil
end

-- nil: such a value is not indexed
local function status_key(json)
    if json == 'true' or json == 'false' then
        return json == 'true' and 'b1' or 'b0'
    end

    local text = status_text(json)

    if text then
        return status_version(text) or 's' .. text
    end

    local n = string.find(json, '^[%d%-]') and tonumber(json)

    return n and status_number(n)
end

-- a value (nil: none) takes the place of another
local function status_index(T, item, id, old, new)
    local key = T .. ':si:' .. item
    local before, after = old and status_key(old), new and status_key(new)

    if before and before ~= after then
        redis.call('ZREM', key, before .. '\0' .. id)
    end

    if after then
        redis.call('ZADD', key, 0, after .. '\0' .. id)
    end
end
