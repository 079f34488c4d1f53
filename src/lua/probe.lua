--@volatile
--@onekey
--@args
--@returns missing...
-- May the user call what the scripts call?  Each command is tried on a string
-- that only this script knows of: the wrong type, or no harm.  A new command
-- of a script is a new row, with as many arguments as it needs at least; the
-- unit tests compare.
-- KEYS[1]: mdm:probe, in a cluster with the hash tag of a slot of the node
-- the names of those that it may not, or that the server does not have
local key, missing = KEYS[1], {}

-- expiry and removal at the end, so that nothing is left whatever is missing

local rows = {
    {'SET', key, '', 'EX', '60'},
    {'EXISTS', key},
    {'GET', key},
    {'HDEL', key, 'f'},
    {'HEXISTS', key, 'f'},
    {'HGET', key, 'f'},
    {'HGETALL', key},
    {'HINCRBY', key, 'f', '1'},
    {'HKEYS', key},
    {'HLEN', key},
    {'HMGET', key, 'f'},
    {'HSCAN', key, '0'},
    {'HSET', key, 'f', ''},
    {'HSETNX', key, 'f', ''},
    {'HSTRLEN', key, 'f'},
    {'LLEN', key},
    {'LPOP', key},
    {'LPOS', key, ''},
    {'LPUSH', key, ''},
    {'LRANGE', key, '0', '0'},
    {'LREM', key, '0', ''},
    {'LTRIM', key, '0', '0'},
    {'RPUSH', key, ''},
    {'SADD', key, ''},
    {'SCARD', key},
    {'SISMEMBER', key, ''},
    {'SMEMBERS', key},
    {'SRANDMEMBER', key},
    {'SREM', key, ''},
    {'TIME'},
    {'XADD', key, '*', 'f', ''},
    {'XDEL', key, '0-1'},
    {'XINFO', 'GROUPS', key},
    {'XLEN', key},
    {'XPENDING', key, 'g'},
    {'XRANGE', key, '-', '+'},
    {'XTRIM', key, 'MAXLEN', '=', '0'},
    {'ZADD', key, '0', ''},
    {'ZCARD', key},
    {'ZPOPMIN', key},
    {'ZRANGE', key, '0', '0'},
    {'ZRANGEBYLEX', key, '-', '+'},
    {'ZRANGEBYSCORE', key, '0', '0'},
    {'ZREM', key, ''},
    {'ZSCORE', key, ''},
    {'RENAME', key, key},
    {'PERSIST', key},
    {'EXPIRE', key, '60'},
    {'EXPIREAT', key, '32503680000'},
    {'UNLINK', key},
    {'DEL', key}
}

-- as releases of Redis and Valkey say it

local refusals = {
    'NOPERM', "can't run this command", 'no permissions to run',
    'Unknown Redis command', 'Unknown command', 'not allowed from'
}

for _, row in ipairs(rows) do
    local reply = redis.pcall(unpack(row))
    local why = type(reply) == 'table' and reply.err

    for _, refusal in ipairs(refusals) do
        if why and string.find(why, refusal, 1, true) then
            missing[#missing + 1] = string.lower(row[1])
            break
        end
    end
end

return missing
