"""Find the privileges on the tables that a role lacks; print those that roles need."""

from __future__ import annotations

from typing import Any

import attrs

from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import quoted, read_sql

__all__ = ["Lack", "grants", "lacking"]

READ: tuple[str, ...] = ("SELECT",)
WRITE: tuple[str, ...] = ("SELECT", "INSERT", "UPDATE", "DELETE")
IN_ORDER = ("USAGE", *WRITE)


SHARED = ("sp00ky_runner", "sp00ky_breaker", "sp00ky_control", "sp00ky_audit")


def grants(tables: Tables) -> list[str]:
    """Return the GRANTs of three roles: one that enqueues, one that runs, one that operates.

    An operator finds, counts, kills, redrives, reschedules, copies and clears jobs, pauses backends, and asks
    runners to drain; each act is written down.
    """
    jobs = ", ".join(map(tables.name, tables.all))
    shared = ", ".join(quoted(tables.schema, name) for name in SHARED)
    return [
        f"GRANT USAGE ON SCHEMA {quoted(tables.schema)} TO app_role, runner_role, operator_role",
        f"GRANT SELECT, INSERT ON {jobs} TO app_role",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {jobs}, {shared} TO runner_role",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {jobs} TO operator_role",
        f"GRANT SELECT ON {shared} TO operator_role",
        f"GRANT INSERT, UPDATE ON {tables.control}, {tables.audit} TO operator_role",
        f"GRANT UPDATE ON {tables.runner} TO operator_role",
        f"GRANT SELECT ON {tables.migration} TO runner_role, operator_role",
    ]


@attrs.frozen(kw_only=True)
class Lack:
    """Privileges that a runner's role lacks on a relation, or on the schema (``name`` is None).

    Attributes:
        role: The role.
        schema: Of the tables.
        name: The relation's.
        rights: The privileges.
    """

    role: str
    schema: str
    name: str | None
    rights: tuple[str, ...]

    @property
    def subject(self) -> str:
        """Return the relation, or the schema, as in SQL."""
        return quoted(self.schema) if self.name is None else quoted(self.schema, self.name)

    @property
    def grant(self) -> str:
        """Return the statement that grants it."""
        what = f"SCHEMA {self.subject}" if self.name is None else self.subject
        return f"GRANT {', '.join(self.rights)} ON {what} TO {quoted(self.role)}"

    def __str__(self) -> str:
        rights = "use the schema (USAGE)" if self.name is None else ", ".join(self.rights)
        return f"role {self.role} may not {rights}"


async def lacking(connection: Any, tables: Tables) -> list[Lack]:
    """Return what the role of this connection lacks of a runner's privileges."""
    wanted = dict.fromkeys((*tables.by_name, *SHARED), WRITE)
    wanted["sp00ky_migration"] = READ
    pairs = [(name, right) for name, rights in wanted.items() for right in rights]
    names, rights = zip(*pairs, strict=True)
    rows = await connection.fetch(read_sql("rights"), tables.schema, list(names), list(rights))
    found: dict[tuple[str, str | None], set[str]] = {}
    for row in rows:
        found.setdefault((row["role"], row["name"]), set()).add(row["privilege"])
    return [
        Lack(role=role, schema=tables.schema, name=name, rights=tuple(sorted(missing, key=IN_ORDER.index)))
        for (role, name), missing in found.items()
    ]
