-- A text, unless it is too long. Its length is known without reading it.
CASE WHEN octet_length(job.{{column}}) > {{longest}} THEN {{unread}} ELSE job.{{column}} END
