-- POST /v1/notify for channels: they are told of their declarations, changed
-- or not.
-- ARGV: uuid, body of the command, event limit, who, address, ids
-- {queued}; who is not enrolled, or is told already, gets no other command
--@include event
--@include clock
--@include queue
--@include status
--@include era
--@include ddm
local T = KEYS[1]
local ctx = {now = tonumber(redis.call('TIME')[1]), uuid = ARGV[1],
             body = ARGV[2]}
local told = {}

for i = 6, #ARGV do
    if ddm_notify(T, ARGV[i], ctx) == 1 then
        told[#told + 1] = ARGV[i]
    end
end

if #told > 0 then
    event(T, ARGV[3], 'api.Notify', table.concat(told, ','),
          {by = ARGV[4], address = ARGV[5], command_uuid = ctx.uuid})
end

return {#told}
