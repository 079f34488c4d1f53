--@readonly
--@args nsets budget names...
--@returns code handled|name sets...
-- The sets that have declarations, for POST /v1/notify.
-- nsets: so many of the names are sets, which only have to be there, then come
-- declarations; budget: sets after which to stop
-- {1, names handled, set, …}, a set as often as it was found; {-1, name}:
-- there is no such set; {-2, id}: no such declaration
local D, n, left = KEYS[1], tonumber(nsets), tonumber(budget)
local reply = {1, 0}

for i = names_at, #ARGV do
    local name = ARGV[i]

    if i < names_at + n then

        if not redis.call('ZSCORE', D .. ':sets', name) then
            return {-1, name}
        end

        left = left - 1

    else
        if redis.call('EXISTS', D .. ':d:' .. name) == 0 then
            return {-2, name}
        end

        local sets = redis.call('SMEMBERS', D .. ':in:' .. name)

        for _, set in ipairs(sets) do
            reply[#reply + 1] = set
        end

        left = left - 2 - #sets
    end

    reply[2] = reply[2] + 1

    if left <= 0 then
        break
    end
end

return reply
