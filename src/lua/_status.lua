-- What a channel reported is forgotten: it starts anew, or is gone.  Include
-- queue before.
--@include status_values
--@include status_index
local function status_forget(T, id)
    local keys = {T .. ':s:' .. id, T .. ':sl:' .. id}

    if redis.call('EXISTS', keys[1], keys[2]) > 0 then
        local items = redis.call('SMEMBERS', T .. ':si')

        if 2 * #items > old_room then

            for _, key in ipairs(keys) do
                if redis.call('EXISTS', key) == 1 then
                    old_move(T, 's', key, ':' .. id)
                end
            end

        else
            for _, item in ipairs(items) do
                local value = status_value(T, id, item)

                if value then
                    status_index(T, item, id, status_json(value))
                end
            end

            old_room = old_room - 2 * #items
        end
    end

    redis.call('UNLINK', keys[1], keys[2], T .. ':sr:' .. id,
               T .. ':se:' .. id)
end

-- what the index has of values that were set aside
local function status_old(T, key, id)
    local items = redis.call('SMEMBERS', T .. ':si')

    for _, item in ipairs(items) do
        local old = redis.call('HGET', key, item)

        if old then
            local new = status_value(T, id, item)

            status_index(T, item, id, status_json(old),
                         new and status_json(new))
        end
    end

    redis.call('UNLINK', key)
    old_room = old_room - 3 * #items
end
