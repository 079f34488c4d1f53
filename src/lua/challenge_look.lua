--@readonly
--@onekey
--@args spki sn from ends ca
--@returns code id purpose bind sn from ends ca der
-- What challenge_take would answer now, though nothing is taken.
--@include clock
--@include challenge
local code, v = challenge_for(spki)

return challenge_reply(code, v, {sn, from, ends, ca})
