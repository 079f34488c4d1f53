--@args who address limit ids...
--@returns released unknown...
-- What is withheld from devices is theirs again.
-- {enrollments that had something withheld, i, i, …}: id i (from 0) is not
-- enrolled
--@include event
local T = KEYS[1]
local reply, released = {0}, {}

for i = ids_at, #ARGV do
    local id = ARGV[i]

    if redis.call('HEXISTS', T .. ':e:' .. id, 'type') == 0 then
        reply[#reply + 1] = i - ids_at

    elseif redis.call('HDEL', T .. ':u:' .. id, 'bootstrap_held',
                      'unlock_held') > 0
    then
        released[#released + 1] = id
    end
end

reply[1] = #released

if #released > 0 then
    event(T, limit, 'api.SecretsRelease', table.concat(released, ','),
          {by = who, address = address})
end

return reply
