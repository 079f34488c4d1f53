--@readonly
--@args ids...
--@returns types...
--@row types type payload
-- What declarations are.
-- for each id: its type ("": there is none), and its payload (JSON) if that is
-- a subscription to status items, else ""
local D = KEYS[1]
local subscription = 'com.apple.configuration.management.status-subscriptions'
local reply = {}

for i = ids_at, #ARGV do
    local key = D .. ':d:' .. ARGV[i]
    local kind = redis.call('HGET', key, 'type') or ''

    reply[#reply + 1] = kind
    reply[#reply + 1] = kind == subscription
                        and redis.call('HGET', key, 'payload') or ''
end

return reply
