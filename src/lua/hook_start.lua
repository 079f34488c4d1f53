--@onekey
--@args names...
--@returns starts...
-- When did a worker first start with these webhooks?
-- KEYS[1]: mdm:{work}
-- Unix milliseconds of each
--@include time
local key, starts = KEYS[1] .. ':hooks', {}
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

for i = names_at, #ARGV do
    local start = redis.call('HGET', key, ARGV[i])

    -- nothing is written otherwise: a Redis that is full refuses it

    if not start then
        start = string.format('%.0f', now)
        redis.call('HSET', key, ARGV[i], start)
    end

    starts[#starts + 1] = start
end

return starts
