-- What a device says of itself after it has enrolled is kept with its
-- enrollment, and declarations that use it are looked at again.  Include ddm
-- before.

-- user channels that one script looks at, at most
local facts_users = 200

-- "facts" are field, value, …; what has changed?
local function facts_set(T, device, facts)
    local e, changed = T .. ':e:' .. device, false

    for i = 1, #facts, 2 do
        if redis.call('HGET', e, facts[i]) ~= facts[i + 1] then
            redis.call('HSET', e, facts[i], facts[i + 1])
            changed = true
        end
    end

    return changed
end

local function facts_tell(T, device, ctx, limit)
    ddm_enabled(T, device, ctx, limit, false)

    for i, user in ipairs(redis.call('SMEMBERS', T .. ':users:' .. device)) do
        if i > facts_users or (ctx.cost or 0) > 1000 then
            break
        end

        ddm_enabled(T, user, ctx, limit, false)
    end
end
