"""Which rights on the tables this role lacks."""

from __future__ import annotations

from typing import Any

import attrs

from sp00ky_store_postgres.statements import quoted, read_sql
from sp00ky_store_postgres.tables import Tables

__all__ = ["Lack", "lacking"]

READ: tuple[str, ...] = ("SELECT",)
WRITE: tuple[str, ...] = ("SELECT", "INSERT", "UPDATE", "DELETE")
IN_ORDER = ("USAGE", *WRITE)


@attrs.frozen(kw_only=True)
class Lack:
    """What a runner's role may not do with a relation, or with the schema (``name`` is None)."""

    role: str
    schema: str
    name: str | None
    rights: tuple[str, ...]

    @property
    def subject(self) -> str:
        """The relation, or the schema, as in SQL."""
        return quoted(self.schema) if self.name is None else quoted(self.schema, self.name)

    @property
    def grant(self) -> str:
        """The statement that mends it."""
        what = f"SCHEMA {self.subject}" if self.name is None else self.subject
        return f"GRANT {', '.join(self.rights)} ON {what} TO {quoted(self.role)}"

    def __str__(self) -> str:
        rights = "use the schema (USAGE)" if self.name is None else ", ".join(self.rights)
        return f"role {self.role} may not {rights}"


async def lacking(connection: Any, tables: Tables) -> list[Lack]:
    """What the role of this connection lacks of a runner's rights."""
    wanted = dict.fromkeys((*tables.by_name, "sp00ky_runner", "sp00ky_breaker"), WRITE)
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
