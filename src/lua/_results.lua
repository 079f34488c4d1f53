-- Bodies of results have a budget of bytes: one for answers to commands that
-- were queued ("k"), one for all others ("u").  A list each, T:rk:<id> and
-- T:ru:<id>, has "size uuid" of those that are kept, the oldest first; their
-- sums are in T:rb:<id>.  Results that have expired, or were replaced, leave
-- the list when they are the oldest.  Include event before.

-- bodies that one script may delete
local results_most = 1000

-- to be called when a result is about to be replaced
local function results_forget(T, id, uuid)
    local v = redis.call('HMGET', T .. ':r:' .. id .. ':' .. uuid, 'size',
                         'known')

    if not v[1] then
        return
    end

    local account = v[2] == '1' and 'k' or 'u'

    if redis.call('LREM', T .. ':r' .. account .. ':' .. id, 1,
                  v[1] .. ' ' .. uuid) == 1
    then
        redis.call('HINCRBY', T .. ':rb:' .. id, account, -v[1])
    end
end

-- makes room; returns the sum that is left, and the UUIDs whose body is gone
local function results_trim(T, id, list, sum, budget)
    local dropped, bytes, n = {}, 0, 0

    while n < results_most do
        local oldest = redis.call('LRANGE', list, 0, 99)
        local popped = 0

        for _, entry in ipairs(oldest) do
            local size, uuid = string.match(entry, '^(%d+) (.*)$')
            local key = T .. ':r:' .. id .. ':' .. uuid

            if redis.call('HGET', key, 'size') == size then

                if budget == 0 or sum <= budget then
                    break
                end

                redis.call('HDEL', key, 'body', 'size')
                redis.call('HSET', key, 'dropped', size)
                dropped[#dropped + 1] = uuid
                bytes = bytes + size
            end

            sum = sum - size
            popped = popped + 1
        end

        if popped > 0 then
            redis.call('LPOP', list, popped)
        end

        if popped < 100 then
            break
        end

        n = n + popped
    end

    return sum, dropped, bytes
end

-- Counts a result that is stored already, and drops what is too much.
-- budget in bytes (0: none), entries that a list may have before it is looked
-- through
local function results_count(T, id, uuid, known, size, budget, most, ttl,
                             limit)
    local account = known and 'k' or 'u'
    local list, sums = T .. ':r' .. account .. ':' .. id, T .. ':rb:' .. id
    local key = T .. ':r:' .. id .. ':' .. uuid
    local dropped, bytes, sum = {uuid}, size, nil

    if size == 0 then
        return
    end

    -- a body that is too large by itself does not make others go

    if budget > 0 and size > budget then
        redis.call('HDEL', key, 'body')
        redis.call('HSET', key, 'dropped', size)

    else
        redis.call('HSET', key, 'size', size)

        local n = redis.call('RPUSH', list, size .. ' ' .. uuid)

        if n == 1 then
            redis.call('HSET', sums, account, size)
            sum = size
        else
            sum = redis.call('HINCRBY', sums, account, size)
        end

        redis.call('EXPIRE', list, ttl)
        redis.call('EXPIRE', sums, ttl)

        if n <= most and (budget == 0 or sum <= budget) then
            return
        end

        sum, dropped, bytes = results_trim(T, id, list, sum, budget)
        redis.call('HSET', sums, account, sum)
    end

    if #dropped > 0 then
        event(T, limit, 'mdm.ResultsDropped', id,
              {command_uuids = dropped, bytes = bytes, known = known})
    end
end
