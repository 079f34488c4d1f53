--@readonly
-- ARGV: set, which ("f" or "sub")
-- {1, value (JSON)}; {0}: it has none
local value = redis.call('GET', KEYS[1] .. ':' .. ARGV[2] .. ':' .. ARGV[1])

if not value then
    return {0}
end

return {1, value}
