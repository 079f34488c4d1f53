-- What a device says of itself after it has enrolled is kept with its
-- enrollment, and declarations that use it are looked at again.  Include ddm
-- before.

-- user channels that one script looks at, at most
local facts_users = 100

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

-- Tells a channel.  One that refused the command may take it with another
-- system.  Returns 1 if it is to be called again, else 0.
local function facts_one(T, id, ctx, limit, upgraded)
    local e = T .. ':e:' .. id
    local refused = upgraded and redis.call('HGET', e, 'dx')

    if refused then
        redis.call('HDEL', e, 'dx')
    end

    local more = ddm_enabled(T, id, ctx, limit, refused and true)

    if more == 1 then

        -- a scan that comes by would find the sets unchanged

        redis.call('HDEL', e, 'db')

        if refused then
            redis.call('HSET', e, 'dx', refused)
        end
    end

    return more
end

-- Tells the channels of a device, as many as a script may.  Where some are
-- left, field "df" of the device says so: a name, and behind it "u" with
-- another system; ddm_facts does the rest.
local function facts_tell(T, device, ctx, limit, upgraded)
    local e = T .. ':e:' .. device
    local more = facts_one(T, device, ctx, limit, upgraded) == 1

    for i, user in ipairs(redis.call('SMEMBERS', T .. ':users:' .. device)) do
        if more or i > facts_users or (ctx.cost or 0) > ddm_budget then
            more = true
            break
        end

        more = facts_one(T, user, ctx, limit, upgraded) == 1
    end

    if more then
        local old = redis.call('HGET', e, 'df') or ''

        upgraded = upgraded or string.sub(old, -1) == 'u'
        redis.call('HSET', e, 'df', ctx.uuid .. (upgraded and 'u' or ''))
    end
end
