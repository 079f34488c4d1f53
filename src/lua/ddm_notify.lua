--@owes
--@refuses
--@args who address limit uuid body ids...
--@returns queued
-- POST /v1/notify for channels: they are told of their declarations, changed
-- or not.
-- uuid, body: of the command
-- {queued}; who is not enrolled, or is told already, gets no other command;
-- {-100, …}: see outbox_full()
--@include event
--@include clock
--@include queue
--@include status
--@include era
--@include ddm
--@include outbox_full
local T = KEYS[1]
local full = outbox_full(T, limit)

if full then
    return full
end

local ctx = {now = clock(), uuid = uuid, body = body,
             many = #ARGV - ids_at + 1}
local told = {}

for i = ids_at, #ARGV do
    if ddm_notify(T, ARGV[i], ctx) == 1 then
        told[#told + 1] = ARGV[i]
    end
end

ddm_refs.settle(T, ctx)

if #told > 0 then
    event(T, limit, 'api.Notify', table.concat(told, ','),
          {by = who, address = address, command_uuid = ctx.uuid})
end

return {#told}
