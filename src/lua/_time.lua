-- TIME, once a script: it may go on while one runs
local time = redis.call('TIME')
