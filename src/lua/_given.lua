-- What a device is given when it enrolls, beside what it was assigned before:
-- ARGV from "first" to before "last" are fields of T:d:<id> and their values.
-- The limits are those of ddm_assign.lua: what is more is left out.  Returns
-- the names that are new, or nil.
local function given_take(T, device, first, last)
    local key = T .. ':d:' .. device
    local room = {['s:'] = 100, ['t:'] = 64, ['v:'] = 64}
    local was, names = {}, {}

    if first >= last then
        return nil
    end

    for _, field in ipairs(redis.call('HKEYS', key)) do
        local prefix = string.sub(field, 1, 2)

        was[field] = true

        if room[prefix] then
            room[prefix] = room[prefix] - 1
        end
    end

    for i = first, last - 1, 2 do
        local field = ARGV[i]
        local prefix = string.sub(field, 1, 2)

        if was[field] then
            redis.call('HSET', key, field, ARGV[i + 1])

        elseif (room[prefix] or 0) > 0 then
            room[prefix] = room[prefix] - 1
            redis.call('HSET', key, field, ARGV[i + 1])
            names[#names + 1] = field
            was[field] = true
        end
    end

    return #names > 0 and names or nil
end
