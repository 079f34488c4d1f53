--@args who address limit name since dead
--@returns code left
-- A webhook is to get entries again.
-- since: the id of an entry: all behind it that are kept, or ""; dead: how many
-- of those that were put aside, at most
-- {1, how many of these are left}; {0}: there is nothing to be repeated
--@include event
--@include outbox
local T = KEYS[1]
local out, aside = T .. ':out', T .. ':dead:' .. name
local place = string.match(redis.call('HGET', out, 'h:' .. name) or '', '^%S+')
local done = 0

if not place then
    return {0, 0}
end

if since ~= '' and outbox_before(since, place) then
    if #redis.call('XRANGE', T .. ':events', '(' .. since, place,
                   'COUNT', 1) > 0
    then
        done = 1
    end

    redis.call('HSET', out, 'h:' .. name, since .. ' '
               .. outbox_ms(outbox_now()))

    -- a sender at work would bring its own place back

    redis.call('HDEL', out, 'f:' .. name, 'l:' .. name)
end

for _, entry in ipairs(redis.call('XRANGE', aside, '-', '+', 'COUNT',
                                  math.max(1, tonumber(dead))))
do
    if dead == '0' then
        break
    end

    local args = {'XADD', T .. ':events', '*', 'only', name}

    for i = 1, #entry[2], 2 do
        if entry[2][i] ~= 'why' then
            args[#args + 1] = entry[2][i]
            args[#args + 1] = entry[2][i + 1]
        end
    end

    redis.call(unpack(args))
    redis.call('XDEL', aside, entry[1])
    done = 1
end

if done == 1 then
    event(T, limit, 'api.WebhookReplay', name,
          {by = who, address = address, since = since ~= '' and since or nil,
           dead = dead ~= '0' or nil})
end

return {done, dead ~= '0' and redis.call('XLEN', aside) or 0}
