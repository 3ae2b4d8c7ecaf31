"""The tables of the first release, with rows."""

from typing import Any

import pytest

FIRST_RELEASE = """
    DROP TRIGGER job_changed ON {schema}.job;
    DROP TRIGGER job_new ON {schema}.job;
    ALTER TABLE {schema}.job DROP priority, DROP ordering_key, DROP ordering_at, DROP expires_at,
        DROP deferred_since, ALTER status TYPE text COLLATE "C";
    DROP INDEX {schema}.job_recent, {schema}.job_lease, {schema}.job_moved;
    CREATE INDEX job_held ON {schema}.job (runner_id, lease_until) WHERE status = 'processing';
    CREATE INDEX job_due ON {schema}.job (run_at, id) WHERE status = 'pending';
    CREATE INDEX job_again ON {schema}.job (updated_at) WHERE status = 'pending' AND lease_epoch > 0;
    CREATE INDEX job_newest ON {schema}.job (created_at, id);
    ALTER TABLE {schema}.job ADD CONSTRAINT job_path CHECK (path <> ''),
        ADD CONSTRAINT job_instants CHECK (run_at < '9999-12-30');
    CREATE INDEX job_new ON {schema}.job USING brin (created_at);
    DROP TABLE {schema}.sp00ky_control, {schema}.sp00ky_audit;
    ALTER TABLE {schema}.sp00ky_runner
        DROP version, DROP documents, DROP draining, DROP in_flight, DROP slots;
    ALTER TABLE {schema}.sp00ky_migration DROP min_compatible;
    UPDATE {schema}.sp00ky_migration SET version = 1;
    INSERT INTO {schema}.job (path) SELECT '/spookify' FROM generate_series(1, 50)
"""


@pytest.fixture
def first_release(quoted: str) -> Any:
    """Statements that make of a store's tables those of version 0.1.0."""
    return FIRST_RELEASE.format(schema=quoted)
