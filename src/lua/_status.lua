-- What a channel reported is forgotten: it starts anew, or is gone.
--@include status_index
local function status_forget(T, id)
    local values = T .. ':s:' .. id

    for _, item in ipairs(redis.call('SMEMBERS', T .. ':si')) do
        local value = redis.call('HGET', values, item)

        if value then
            status_index(T, item, id, string.sub(value, 18))
        end
    end

    redis.call('DEL', values, T .. ':sr:' .. id, T .. ':se:' .. id)
end
