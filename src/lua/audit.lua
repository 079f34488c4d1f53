-- That an administrator reads secrets: before they are shown to him.
-- ARGV: event limit, who, address, what, CommandUUIDs separated by commas or
--       "", ids separated by commas
-- {1}
--@include event
event(KEYS[1], ARGV[1], 'api.Read', ARGV[6],
      {by = ARGV[2], address = ARGV[3], what = ARGV[4],
       command_uuid = ARGV[5] ~= '' and ARGV[5] or nil})

return {1}
