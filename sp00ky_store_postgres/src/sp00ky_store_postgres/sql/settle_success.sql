-- One runner's deliveries alone, which most batches are: the same as `settle.sql`, with less to say.
unnest($1::int[], $2::uuid[], $3::bigint[], $4::text[])
    WITH ORDINALITY AS given (table_number, id, epoch, result, n)
