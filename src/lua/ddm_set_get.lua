--@readonly
--@args set which
--@returns code value
-- which: "f" or "sub"
-- {1, value (JSON)}; {0}: it has none
local value = redis.call('GET', KEYS[1] .. ':' .. which .. ':' .. set)

if not value then
    return {0}
end

return {1, value}
