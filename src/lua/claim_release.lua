--@args device
--@returns code
-- Takes back a claim that was not used.  KEYS[1]: its key
-- {0}
if redis.call('GET', KEYS[1]) == device then
    redis.call('DEL', KEYS[1])

    if redis.call('EXISTS', KEYS[1] .. ':x') == 1 then
        redis.call('HSET', KEYS[1] .. ':x', 'state', 'issued', 'device', '')
    end
end

return {0}
