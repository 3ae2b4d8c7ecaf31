AND NOT EXISTS (SELECT FROM pauses WHERE pauses.backend = {{backend}})
