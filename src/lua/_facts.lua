-- What a device says of itself after it has enrolled is kept with its
-- enrollment, and declarations that use it are looked at again.  Include ddm
-- before.

-- user channels that one script looks at, at most
local facts_users = 200

-- "facts" are field, value, ….  Has any changed, and is it another system?
local function facts_set(T, device, facts)
    local e, changed, upgraded = T .. ':e:' .. device, false, false

    for i = 1, #facts, 2 do
        if redis.call('HGET', e, facts[i]) ~= facts[i + 1] then
            redis.call('HSET', e, facts[i], facts[i + 1])
            changed = true
            upgraded = upgraded or facts[i] == 'os' or facts[i] == 'build'
        end
    end

    return changed, upgraded
end

-- a channel that refused the command may take it with another system
local function facts_tell(T, device, ctx, limit, upgraded)
    local function again(id)
        return upgraded and redis.call('HDEL', T .. ':e:' .. id, 'dx') == 1
    end

    -- one that is too large for one script is made all the same: nobody would
    -- call again

    local function tell(id)
        local fresh = again(id)

        while ddm_enabled(T, id, ctx, limit, fresh) == 1 do
            ctx.cost = 0
        end
    end

    tell(device)

    for i, user in ipairs(redis.call('SMEMBERS', T .. ':users:' .. device)) do
        if i > facts_users or (ctx.cost or 0) > ddm_budget then
            break
        end

        tell(user)
    end
end
