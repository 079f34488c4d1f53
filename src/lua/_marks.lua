-- How often a device that was forgotten was marked to be taken away once more,
-- of its fields "forget" and "marks"; "": it was not forgotten.
local function marks_of(forget, n)
    return forget and (n or '0') or ''
end
