--@args device
--@returns code
-- What leads to a device that is about to be forgotten is going to be taken
-- away, unless whoever enrolls lays claim to it meanwhile.
-- KEYS[1]: of a certificate's claim, or of a serial number
-- {1}
redis.call('SET', KEYS[1] .. ':free', device, 'EX', 3600)

return {1}
