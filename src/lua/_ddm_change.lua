-- Sets have changed: what a rollout goes by.  Whether their channels are to
-- be told is remembered apart.
local function ddm_change(D, sets, notify)
    if #sets == 0 then
        return
    end

    local rev = redis.call('HINCRBY', D .. ':meta', 'rev', 1)

    for _, set in ipairs(sets) do
        redis.call('ZADD', D .. ':sets', rev, set)

        if notify == '1' then
            redis.call('ZADD', D .. ':n', rev, set)
        end
    end
end

-- A declaration gets another ServerToken, or none: what it said stays to be
-- fetched for a day.
local function ddm_retire(D, id)
    local v = redis.call('HMGET', D .. ':d:' .. id, 'token', 'type', 'payload')

    if v[1] then
        redis.call('SET', D .. ':v:' .. id .. ':' .. v[1],
                   '{"Type":' .. cjson.encode(v[2]) .. ',"Payload":' .. v[3]
                   .. '}', 'EX', 86400)
    end
end
