--@readonly
--@args id device
--@returns state awaiting release type model product variables tags...
-- What a setup goes by.
-- {"owed", "lost", "follow", or what else T:w:<id> says, or "";
-- awaiting: 0 or 1; release: see mdm_release; type of the channel; model,
-- ProductName; its variables, JSON by key forms of names; tag (key form), …}
--@include setup_facts
return setup_facts(KEYS[1], id, device)
