"""Read what the database says about its tables: ``INFO FOR TABLE``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.result_values import ResultField
from sp00ky_store_surreal.schema.definition import JOB_FIELDS, OUR_FIELDS, OUR_INDEXES, RUNNER_FIELDS
from sp00ky_store_surreal.surql.loader import quoted

__all__ = ["Clauses", "TableLayout", "clauses_of", "read_layout"]

_LOOKED_UP = ("assigned_to", "path", "created_at")
"""By which an application finds the newest job of a parent and a path; the fields of ``sp00ky_parent``."""

_NEWER = "sequences"
"""What ``INFO FOR DB`` tells from 3.0 on."""

_LEASE = ("lease_epoch", "lease_until", "runner_id", "deferred_since")
_GRANT = re.compile(r"FOR ([a-z, ]+?) (NONE|FULL|WHERE .+?)(?=,? FOR |$)")
_TRUE = re.compile(r"\bWHERE true\b")
_RELIED_ON = ("path", "payload", "status", "retries", "errors")
_ACTIONS = ("select", "create", "update", "delete")
_NOBODY = frozenset({"NONE", "WHERE false"})
_ANYBODY = frozenset({"FULL", "WHERE true"})

Clauses = dict[str, str]
"""Each clause's keyword, and what follows it; in their order."""

_KEYWORDS = "FLEXIBLE|TYPE|REFERENCE|DEFAULT|READONLY|VALUE|ASSERT|COMPUTED|COMMENT|PERMISSIONS"
_TOKEN = re.compile(
    r"(?P<quoted>'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`(?:\\.|[^`\\])*`|⟨[^⟩]*⟩)"
    rf"|(?P<opens>[\[({{])|(?P<closes>[\])}}])|(?<![\w$.:])(?P<keyword>{_KEYWORDS})\b",
    re.DOTALL,
)


def clauses_of(definition: str) -> Clauses:
    """Take apart the clauses of ``DEFINE FIELD ...``; empty where it has none."""
    starts: list[re.Match[str]] = []
    depth = 0
    for found in _TOKEN.finditer(definition):
        depth += (found["opens"] is not None) - (found["closes"] is not None)
        if found["keyword"] and depth == 0:
            starts.append(found)
    ends = [*(each.start() for each in starts), len(definition)][1:]
    return {
        each["keyword"]: definition[each.end() : end].strip() for each, end in zip(starts, ends, strict=True)
    }


@attrs.frozen(kw_only=True)
class TableLayout:
    """A table's definitions, as the database prints them.

    Attributes:
        name: The table's.
        exists: Whether it is defined.
        table: Its own definition.
        fields: Each field's.
        indexes: Each index's.
        has_events: Whether the user has defined some on it.
        is_older: Whether it is a database before 3.0.
    """

    name: str
    exists: bool
    table: str = ""
    fields: Mapping[str, str] = attrs.field(factory=dict)
    indexes: Mapping[str, str] = attrs.field(factory=dict)
    has_events: bool = False
    is_older: bool = False

    @property
    def is_job_table(self) -> bool:
        """Whether it has a job's fields."""
        return self.fields.keys() >= JOB_FIELDS

    @property
    def is_migrated(self) -> bool:
        """Whether our fields and indexes are there."""
        return self.fields.keys() >= OUR_FIELDS and self.indexes.keys() >= OUR_INDEXES

    @property
    def is_older_own(self) -> bool:
        """Whether it is a table of the store's own that a newer version has extended."""
        return self.name == "sp00ky_runner" and not self.fields.keys() >= RUNNER_FIELDS

    @property
    def entry(self) -> str:
        """Return the name of the field that an entry of ``errors`` is; it depends on the version."""
        return "errors[*]" if "errors[*]" in self.fields else "errors.*"

    @property
    def holds_entries(self) -> bool:
        """Whether an entry of ``errors`` keeps its fields."""
        if "SCHEMALESS" in self.table:
            return True
        entry = self.fields.get(self.entry, "")
        own = self.fields.get("errors", "")
        named = {"errors[*].name", "errors.*.name"} & self.fields.keys()
        return "FLEXIBLE" in entry or "FLEXIBLE" in own or "TYPE any" in own or bool(named)

    @property
    def keeps_payload_objects(self) -> bool:
        """Whether an object in ``payload`` keeps its fields. 3.x keeps those of ``any``, or refuses them."""
        takes_objects = "any" in self.type_of("payload") or "object" in self.type_of("payload")
        return self._is_flexible("payload") or not (self.is_older and takes_objects)

    @property
    def result(self) -> ResultField:
        """Return what ``result`` takes."""
        keeps = self._is_flexible("result") or not self.is_older
        return ResultField.of_type(self.type_of("result"), keeps_objects=keeps)

    def _is_flexible(self, field: str) -> bool:
        return "SCHEMALESS" in self.table or "FLEXIBLE" in self.fields.get(field, "")

    def clauses_of(self, field: str) -> Clauses:
        """Return a field's definition, taken apart; empty where the table has no such field."""
        return clauses_of(self.fields.get(field, ""))

    def type_of(self, field: str) -> str:
        """Return a field's type, as the database prints it; empty where it has none."""
        return self.clauses_of(field).get("TYPE", "")

    def permissions_of(self, field: str) -> str:
        """Return a field's ``PERMISSIONS``, on 3.x with ``FULL`` for ``WHERE true``, which means the same."""
        kept = self._permissions(field)
        return kept if self.is_older else _TRUE.sub("FULL", kept)

    def _permissions(self, field: str) -> str:
        return self.clauses_of(field).get("PERMISSIONS", "")

    @property
    def unindexed_for_users(self) -> list[str]:
        """List fields of ``sp00ky_parent`` whose ``WHERE true`` keeps users' queries from it, on 3.x."""
        return [] if self.is_older else [each for each in _LOOKED_UP if _TRUE.search(self._permissions(each))]

    @property
    def writable_leases(self) -> list[str]:
        """List fields of the lease that clients may write; a user defined them before we did."""
        return [each for each in _LEASE if each in self.fields and self._is_writable(each)]

    def _is_writable(self, field: str) -> bool:
        grants = _grants(self._permissions(field))
        return grants["create"] not in _NOBODY or grants["update"] not in _NOBODY

    @property
    def changeable(self) -> list[str]:
        """List what a runner relies on and clients may change."""
        if _grants(self._table_permissions)["update"] in _NOBODY:
            return []
        there = [each for each in _RELIED_ON if each in self.fields]
        return [each for each in there if _grants(self._permissions(each))["update"] not in _NOBODY]

    @property
    def open_for(self) -> list[str]:
        """List what any client may do with any row."""
        return [action for action, grant in _grants(self._table_permissions).items() if grant in _ANYBODY]

    @property
    def _table_permissions(self) -> str:
        return clauses_of(self.table).get("PERMISSIONS", "NONE")

    @property
    def created_at_moves(self) -> bool:
        """Whether ``created_at`` changes at each update."""
        return "VALUE" in self.clauses_of("created_at")

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
        text = self.clauses_of("retry_strategy").get("ASSERT")
        if text is None:
            return []
        return sorted(each for each in strategies if f"'{each}'" not in text and f'"{each}"' not in text)


async def read_layout(connection: Connection, tables: list[str]) -> dict[str, TableLayout]:
    """Read the layouts of these tables, in one round trip."""
    infos = "".join(f"INFO FOR TABLE {quoted(each)};" for each in tables)
    reply = await connection.read(f"INFO FOR DB;{infos}")
    database, *infos_read = reply
    is_older = _NEWER not in database
    defined = {_bare(name): text for name, text in database["tables"].items()}
    return {
        name: _layout(name, defined, info, is_older=is_older)
        for name, info in zip(tables, infos_read, strict=True)
    }


def _layout(name: str, defined: Mapping[str, str], info: Mapping[str, Any], *, is_older: bool) -> TableLayout:
    return TableLayout(
        name=name,
        exists=name in defined,
        table=defined.get(name, ""),
        fields={_bare(key): text for key, text in info["fields"].items()},
        indexes={_bare(key): text for key, text in info["indexes"].items()},
        has_events=bool(info["events"]),
        is_older=is_older,
    )


def _grants(permissions: str) -> dict[str, str]:
    """Read what each action is granted; a field without ``PERMISSIONS`` is open."""
    grants = {action: text for actions, text in _GRANT.findall(permissions) for action in actions.split(", ")}
    rest = permissions if permissions in _NOBODY else "FULL"
    return {action: grants.get(action, rest) for action in _ACTIONS}


def _bare(name: str) -> str:
    return name.strip("`⟨⟩")
