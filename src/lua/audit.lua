--@args who address limit what uuids ids
--@returns code
-- That an administrator reads secrets: before they are shown to him.
-- uuids: CommandUUIDs separated by commas or ""; ids: separated by commas
-- {1}
--@include event
event(KEYS[1], limit, 'api.Read', ids,
      {by = who, address = address, what = what,
       command_uuid = uuids ~= '' and uuids or nil})

return {1}
