-- Transitions, in one batch: for each table `settle_table.sql`, from these rows.
unnest(
    $1::int[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::int[], $7::float8[], $8::text[],
    $9::text[], $10::int[], $11::text[], $12::timestamptz[], $13::int[]
) WITH ORDINALITY AS given (
    table_number, id, epoch, was, status, retries, delay, error, result, flags, runner, due, priority, n
)
