-- What has an ordering key may come first: the claim that knows of it takes both kinds.
AND NOT EXISTS (SELECT FROM {{keys}})
