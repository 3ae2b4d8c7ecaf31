"""Write the GRANTs that roles need: to enqueue, to run jobs, to operate."""

from __future__ import annotations

from sp00ky_store_postgres.schema.definition import SHARED, Tables
from sp00ky_store_postgres.sql.loader import quoted


def grants(tables: Tables) -> list[str]:
    """Return the GRANTs of three roles: one that enqueues, one that runs, one that operates.

    An operator finds, counts, kills, redrives, reschedules, copies, redacts, imports and clears jobs, pauses
    backends, asks runners to drain, and defines, fires and pauses schedules; each act is written down.
    """
    jobs, own = ", ".join(map(tables.name, tables.all)), tables.own
    shared = ", ".join(quoted(tables.schema, name) for name in SHARED)
    operated = ", ".join(own[name] for name in ("control", "audit", "schedule", "schedule_run"))
    return [
        f"GRANT USAGE ON SCHEMA {quoted(tables.schema)} TO app_role, runner_role, operator_role",
        f"GRANT SELECT, INSERT ON {jobs} TO app_role",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {jobs}, {shared} TO runner_role",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {jobs} TO operator_role",
        f"GRANT SELECT ON {shared} TO operator_role",
        f"GRANT INSERT, UPDATE ON {operated} TO operator_role",
        f"GRANT DELETE ON {own['schedule_run']} TO operator_role",
        f"GRANT UPDATE ON {own['runner']} TO operator_role",
        f"GRANT SELECT ON {own['migration']} TO runner_role, operator_role",
    ]
