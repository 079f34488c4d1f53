--@readonly
-- What an administrator gave a channel.  ARGV: id
-- {1: it is enrolled, type, product, field, value, …}
local T, id = KEYS[1], ARGV[1]
local v = redis.call('HMGET', T .. ':e:' .. id, 'type', 'parent')
local product = redis.call('HGET', T .. ':e:' .. (v[2] or id), 'product')
local reply = {v[1] and 1 or 0, v[1] or '', product or ''}

for _, one in ipairs(redis.call('HGETALL', T .. ':d:' .. id)) do
    reply[#reply + 1] = one
end

return reply
