"""Read what the database says about its tables, and name what the store defines in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from sp00ky_store_surreal.connection.conflict_retries import Connection
from sp00ky_store_surreal.rows import ResultField
from sp00ky_store_surreal.schema.own_tables import OWN_TABLES
from sp00ky_store_surreal.schema.schema_files import defined
from sp00ky_store_surreal.surql.loader import quoted

VERSION = 2
NO_JOB_TABLE = (
    "is there and is no job table (it lacks path, payload, status or retries): give the backend another one "
    "in method.table"
)

JOB_FIELDS = frozenset({"path", "payload", "status", "retries"})
"""What makes a table a job table."""

OPTIONAL_FIELDS = frozenset({"timeout", "delay"})
"""What a client may write, and no runner has to read."""

OUR_FIELDS = frozenset(defined("job_additions", "FIELD")) - OPTIONAL_FIELDS
OUR_INDEXES = frozenset(defined("job_additions", "INDEX"))

_LOOKED_UP = ("assigned_to", "path", "created_at")
"""The fields of ``sp00ky_parent``, by which an application finds the newest job of a parent and a path."""

_NEWER = "sequences"
"""What ``INFO FOR DB`` tells from 3.0 on."""

_LEASE = ("lease_epoch", "lease_until", "runner_id", "deferred_since")
_NOBODY = (False, "false")
_ANYBODY = (True, "true")

Structure = Mapping[str, Any]
"""A field or a table, as ``INFO ... STRUCTURE`` gives it; a permission is a bool, or a condition's text."""


@attrs.frozen(kw_only=True)
class TableLayout:
    """A table's definitions, as the database prints them.

    Attributes:
        name: The table's name.
        table: The table's own definition; empty where there is no such table.
        fields: Each field's definition, by name.
        texts: Each field's definition as a statement, by name.
        indexes: The names of its indexes.
        has_events: Whether the user has defined events on it.
        is_older: Whether the database's version is before 3.0.
        has_record_users: Whether clients may sign in to the database as record users.
        lives: The conditions of LIVE queries on it.
    """

    name: str
    table: Structure = attrs.field(factory=dict)
    fields: Mapping[str, Structure] = attrs.field(factory=dict)
    texts: Mapping[str, str] = attrs.field(factory=dict)
    indexes: frozenset[str] = frozenset()
    has_events: bool = False
    is_older: bool = False
    has_record_users: bool = False
    lives: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        """Whether it is defined."""
        return bool(self.table)

    @property
    def is_schemaless(self) -> bool:
        """Whether a write has made it, where nothing was defined."""
        return self.exists and not self.table.get("schemafull", self.table.get("full", True))

    def has(self, kind: str, name: str) -> bool:
        """Whether the table, or a field or an index of it, is defined: ``TABLE``, ``FIELD`` or ``INDEX``."""
        return {"TABLE": self.exists, "FIELD": name in self.fields, "INDEX": name in self.indexes}[kind]

    @property
    def is_job_table(self) -> bool:
        """Whether it has a job's fields."""
        return self.fields.keys() >= JOB_FIELDS

    @property
    def lacking(self) -> list[str]:
        """List the fields and indexes that statements rely on and that aren't there."""
        needed = OWN_TABLES.get(self.name, OUR_FIELDS | OUR_INDEXES)
        return sorted(needed - self.fields.keys() - self.indexes)

    @property
    def is_migrated(self) -> bool:
        """Whether our fields and indexes are there."""
        return self.exists and not self.lacking

    @property
    def entry(self) -> str:
        """Return the name of the field that an entry of ``errors`` is; it depends on the version."""
        return "errors[*]" if "errors[*]" in self.fields else "errors.*"

    @property
    def holds_entries(self) -> bool:
        """Whether an entry of ``errors`` keeps its fields."""
        named = {"errors[*].name", "errors.*.name"} & self.fields.keys()
        flexible = self._is_flexible(self.entry) or self._is_flexible("errors")
        return flexible or self.type_of("errors") == "any" or bool(named)

    @property
    def result(self) -> ResultField:
        """Return what ``result`` takes."""
        return ResultField.of_type(self.type_of("result"))

    def _is_flexible(self, field: str) -> bool:
        definition = self.fields.get(field, {})
        is_strict = self.table.get("schemafull", self.table.get("full"))
        return not is_strict or bool(definition.get("flexible", definition.get("flex")))

    def type_of(self, field: str) -> str:
        """Return a field's type, as the database prints it; empty where it has none."""
        return str(self.fields.get(field, {}).get("kind", ""))

    def permissions_of(self, field: str) -> Mapping[str, Any]:
        """Return what each action on a field is granted."""
        return _permissions(self.fields.get(field, {}))

    @property
    def unindexed_for_users(self) -> list[str]:
        """List fields of ``sp00ky_parent`` whose ``WHERE true`` keeps users' queries from it."""
        return [field for field in _LOOKED_UP if "true" in self.permissions_of(field).values()]

    @property
    def writable_leases(self) -> list[str]:
        """List fields of the lease that clients may write; a user defined them before we did."""
        return [field for field in _LEASE if self._lets(field, "create") or self._lets(field, "update")]

    def _lets(self, field: str, action: str) -> bool:
        """Whether any client may do so with a field."""
        return self.permissions_of(field).get(action, False) not in _NOBODY

    def is_changeable(self, field: str) -> bool:
        """Whether clients may change a field of a row."""
        return _permissions(self.table).get("update", False) not in _NOBODY and self._lets(field, "update")

    @property
    def takes_old_jobs(self) -> bool:
        """Whether a record user's new row may look like a job to which something has happened."""
        may_create = self._lets("status", "create") and _permissions(self.table).get("create") not in _NOBODY
        asks = "$auth" in self.fields.get("status", {}).get("assert", "")
        return self.has_record_users and may_create and not asks

    @property
    def open_for(self) -> list[str]:
        """List what any client may do with any row."""
        actions = ("select", "create", "update", "delete")
        return [action for action in actions if _permissions(self.table).get(action) in _ANYBODY]

    @property
    def needs_parent(self) -> bool:
        """Whether a job without ``assigned_to`` is refused."""
        kind = self.type_of("assigned_to")
        return bool(kind) and re.match(r"option<|any\b|none\b", kind) is None and "| none" not in kind

    @property
    def whole_seconds(self) -> bool:
        """Whether ``timeout`` takes whole numbers only."""
        kinds = self.type_of("timeout")
        return "int" in kinds and "float" not in kinds and "number" not in kinds

    def refused_strategies(self, strategies: frozenset[str]) -> list[str]:
        """List strategies that the table's ASSERT doesn't allow."""
        text = self.fields.get("retry_strategy", {}).get("assert")
        if text is None:
            return []
        return sorted(
            strategy for strategy in strategies if f"'{strategy}'" not in text and f'"{strategy}"' not in text
        )


async def read_layout(connection: Connection, tables: list[str]) -> dict[str, TableLayout]:
    """Read the layouts of these tables, in one round trip."""
    infos = "".join(
        f"INFO FOR TABLE {quoted(table)}; INFO FOR TABLE {quoted(table)} STRUCTURE;" for table in tables
    )
    database, *reply = await connection.read(f"INFO FOR DB STRUCTURE;{infos}")
    is_older = _NEWER not in database
    record_users = any(access["kind"]["kind"] == "RECORD" for access in database["accesses"])
    defined = {_bare(table["name"]): table for table in database["tables"]}
    return {
        name: TableLayout(
            name=name,
            table=defined.get(name, {}),
            fields={_bare(field["name"]): field for field in info["fields"]},
            texts={_bare(key): text for key, text in texts["fields"].items()},
            indexes=frozenset(_bare(index["name"]) for index in info["indexes"]),
            has_events=bool(info["events"]),
            is_older=is_older,
            has_record_users=record_users,
            lives=tuple(
                f"{live['id']}: {live['cond']}" for live in info.get("lives", ()) if live.get("cond")
            ),
        )
        for name, texts, info in zip(tables, reply[::2], reply[1::2], strict=True)
    }


def _permissions(definition: Structure) -> Structure:
    granted: Structure = definition.get("permissions", {})
    return granted


def _bare(name: str) -> str:
    return name.strip("`⟨⟩")
