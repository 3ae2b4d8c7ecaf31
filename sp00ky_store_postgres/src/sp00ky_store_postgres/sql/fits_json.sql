-- Whether json is short enough. Its length isn't known without reading it, but what it takes compressed is: a huge
-- one isn't read.
CASE WHEN pg_column_size(job.{{column}}) <= {{longest}} + 4 THEN octet_length(job.{{column}}::text) <= {{longest}} ELSE false END
