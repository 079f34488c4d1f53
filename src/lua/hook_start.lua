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
    redis.call('HSETNX', key, ARGV[i], string.format('%.0f', now))
    starts[#starts + 1] = redis.call('HGET', key, ARGV[i])
end

return starts
