--@args most names...
--@returns code
-- Remembers names of variables that an enrollment of the tenant has been
-- given, so that a declaration which uses another one can be told of.
-- most: no more than these are remembered
-- {1}
local key = KEYS[1] .. ':vars'
local room = tonumber(most) - redis.call('SCARD', key)

for i = names_at, #ARGV do
    if room > 0 then
        room = room - redis.call('SADD', key, ARGV[i])
    end
end

return {1}
