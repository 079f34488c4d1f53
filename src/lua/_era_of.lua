-- Reading eras (see _era.lua).

local eras = {}

local function era(T, device)
    local name = eras[device]

    if not name then
        name = redis.call('HGET', T .. ':e:' .. device, 'era') or ''
        eras[device] = name
    end

    return name
end

-- 0: the channel is of the present era, or is a device's; 1: its device has
-- checked out since: it is disabled, and has no status; 2: its device has
-- enrolled anew: its queue is empty, too.  "mine" is its own era.
local function era_before(T, parent, mine)
    if not parent then
        return 0
    end

    local now = era(T, parent)

    mine = mine or ''

    if now == mine then
        return 0
    end

    return string.match(now, '^%d*') == string.match(mine, '^%d*') and 1 or 2
end
