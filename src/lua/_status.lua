-- What a channel reported is forgotten: it starts anew, or is gone.  Include
-- queue before.
--@include status_index
local function status_forget(T, id)
    local values = T .. ':s:' .. id

    if redis.call('EXISTS', values) == 1 then
        local items = redis.call('SMEMBERS', T .. ':si')

        if 2 * #items > old_room then
            old_move(T, 's', values, ':' .. id)

        else
            for _, item in ipairs(items) do
                local value = redis.call('HGET', values, item)

                if value then
                    status_index(T, item, id, string.sub(value, 18))
                end
            end

            old_room = old_room - 2 * #items
        end
    end

    redis.call('UNLINK', values, T .. ':sr:' .. id, T .. ':se:' .. id)
end

-- what the index has of values that were set aside
local function status_old(T, key, id)
    local items = redis.call('SMEMBERS', T .. ':si')

    for _, item in ipairs(items) do
        local old = redis.call('HGET', key, item)

        if old then
            local new = redis.call('HGET', T .. ':s:' .. id, item)

            status_index(T, item, id, string.sub(old, 18),
                         new and string.sub(new, 18))
        end
    end

    redis.call('UNLINK', key)
    old_room = old_room - 3 * #items
end
