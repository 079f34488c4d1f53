-- Devices that are blocked.  The hash mdm:{tenant/block} has "u:<id>" (key
-- form) with "answer time serial reason", and "s:<serial>" with the id; field
-- "blocked" of an enrollment "answer time cert next was reason", those three in
-- hex, or "-".  answer: how its messages are refused; "refuse", "remove" or
-- "unrecognized"
local function block_hex(s)
    return s and (string.gsub(s, '.', function(c)
        return string.format('%02x', string.byte(c))
    end)) or '-'
end

local function block_raw(s)
    return s ~= '-' and (string.gsub(s, '%x%x', function(c)
        return string.char(tonumber(c, 16))
    end))
end
