--@args who address limit name value most
--@returns code
-- Keeps a setup, or takes it away (value: "").  KEYS[1]: mdm:{tenant/prof};
-- name: key form; value: JSON, sealed where there is a key; most: setups
-- {1}: done; {0}: there is none to be taken away; {-2}: there are as many as
-- there may be
--@include event
local P = KEYS[1]
local key, names = P .. ':s:' .. name, P .. ':setup'
local there = redis.call('SISMEMBER', names, name) == 1

if value == '' then
    if not there then
        return {0}
    end

    event(P, limit, 'api.Setup', name,
          {by = who, address = address, change = 'deleted'})
    redis.call('SREM', names, name)
    redis.call('UNLINK', key)

    return {1}
end

if not there and redis.call('SCARD', names) >= tonumber(most) then
    return {-2}
end

event(P, limit, 'api.Setup', name,
      {by = who, address = address, change = there and 'changed' or 'new'})
redis.call('HSET', key, 'body', value)
redis.call('SADD', names, name)

return {1}
