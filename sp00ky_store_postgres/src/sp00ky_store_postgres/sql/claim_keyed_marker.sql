-- Whether there are jobs with an ordering key: then this claim has taken none, and another one takes both kinds.
SELECT -4, NULL, json_build_object('backend', {{backend}}::text)::text, {{nulls}} FROM {{keys}}
