-- The reply that hands out a command: {1, uuid, RequestType, body}; {0}
-- where there is none; {-5, uuid} where the body is gone, which only
-- eviction or a hand in the keys can do: the caller says so and drops it.
local function deliver(T, uuid)
    if not uuid then
        return {0}
    end

    local c = redis.call('HMGET', T .. ':c:' .. uuid, 'type', 'body')

    if not c[2] then
        return {-5, uuid}
    end

    return {1, uuid, c[1] or '', c[2]}
end
