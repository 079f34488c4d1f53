-- What a tenant has said changes: what a rollout goes by.

local function ddm_zadd(key, rev, names)
    local args = {}

    for i, name in ipairs(names) do
        args[#args + 1] = rev
        args[#args + 1] = name

        if #args == 1000 or i == #names then
            redis.call('ZADD', key, unpack(args))
            args = {}
        end
    end
end

-- Sets have changed, or declarations of theirs.  Whether their channels are to
-- be told is remembered apart.  Returns the revision, or nil: nobody has it.
local function ddm_change(D, sets, notify)
    if #sets == 0 then
        return nil
    end

    local rev = redis.call('HINCRBY', D .. ':meta', 'rev', 1)

    ddm_zadd(D .. ':sets', rev, sets)

    if notify == '1' then
        ddm_zadd(D .. ':n', rev, sets)
    end

    return rev
end

-- A declaration has another token, is in a set for the first time, or in none
-- any more: partitions have to hear of it.
local function ddm_row(D, id, rev)
    if rev then
        redis.call('ZADD', D .. ':rows', rev, id)
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
