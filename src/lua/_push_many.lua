-- That many channels are owed a push, in few commands.  Include push before.

-- entries of a command
local push_many = 500

-- push_owe() of each, one at least
local function push_owe_all(T, ids)
    if not tonumber(push_window) then
        push_owe(T, ids[1])
        return
    end

    local due = push_score(push_now())

    for first = 1, #ids, push_many do
        local last = math.min(first + push_many - 1, #ids)
        local args = {}

        for i = first, last do
            args[#args + 1] = due
            args[#args + 1] = ids[i]
        end

        -- some are owed one already; the others are not moved by this

        if redis.call('ZADD', T .. ':push', 'NX', unpack(args))
            ~= last - first + 1
        then
            for i = first, last do
                push_owe(T, ids[i])
            end
        end
    end
end
