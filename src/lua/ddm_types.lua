--@readonly
--@args largest ids...
--@returns types...
--@row types type payload
-- What declarations are.  largest: bytes of a payload that is wanted, at most
-- for each id: its type ("": there is none), and its payload (JSON), or "" if
-- that is larger
local D = KEYS[1]
local most, reply = tonumber(largest), {}

for i = ids_at, #ARGV do
    local key = D .. ':d:' .. ARGV[i]
    local payload = most > 0 and redis.call('HGET', key, 'payload') or ''

    reply[#reply + 1] = redis.call('HGET', key, 'type') or ''
    reply[#reply + 1] = #payload <= most and payload or ''
end

return reply
