--@owes
--@args who address limit lease ids...
--@returns pushes...
--@row pushes i bar topic token magic stamp
-- Pushes that are asked for as such, whatever the queue holds.
-- lease: ms, or "": the caller sends none of them
-- for id i (from 0) what enqueue says of its pushes; bar 6: not enrolled
--@include event
--@include clock
--@include era_of
--@include push
--@include push_lease
local T = KEYS[1]
local now, out, asked = push_now(), {}, {}

-- seconds for which it is tried
local tried = 3600

for i = ids_at, #ARGV do
    local id = ARGV[i]
    local e = T .. ':e:' .. id
    local v = push_read(T, id)
    local bar = redis.call('HEXISTS', e, 'type') == 1 and push_bar(T, v) or 6

    if bar == 0 then
        asked[#asked + 1] = id
        redis.call('HSET', e, 'pf',
                   string.format('%.0f', math.floor(now / 1000) + tried))

        -- none may be owed any more, but one was sent just now

        push_owe(T, id, redis.call('HGET', e, 'taken'))
    end

    push_offer(T, out, i - ids_at, id, v, bar, lease)
end

if #asked > 0 then
    event(T, limit, 'api.Push', table.concat(asked, ','),
          {by = who, address = address})
end

return out
