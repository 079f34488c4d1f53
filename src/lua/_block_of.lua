-- how the messages of a device are refused, by its field "blocked"; "": it is
-- not
local function block_answer(blocked)
    return blocked and string.match(blocked, '^%l+') or ''
end
