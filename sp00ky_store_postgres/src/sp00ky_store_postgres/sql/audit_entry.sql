SELECT entry.id FROM {{audit}} AS entry WHERE entry.id = $1
