"""What the database says about its tables: ``INFO FOR TABLE``, read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.queries import quoted

__all__ = ["TableLayout", "read_layout", "JOB_FIELDS", "OUR_FIELDS", "OUR_INDEXES"]

JOB_FIELDS = frozenset({"path", "payload", "status", "retries"})
"""What makes a table a job table."""

OUR_FIELDS = frozenset(
    {"run_at", "result", "dedup_key", "dedup_live", "traceparent", "lease_epoch", "lease_until", "runner_id"}
)
OUR_INDEXES = frozenset({"sp00ky_due", "sp00ky_dedup", "sp00ky_parent"})
_CLAUSES = "DEFAULT|VALUE|ASSERT|PERMISSIONS|READONLY|COMMENT|REFERENCE|FLEXIBLE"
_TYPE = re.compile(rf"\bTYPE (.+?)(?= (?:{_CLAUSES})\b|$)")


@attrs.frozen(kw_only=True)
class TableLayout:
    """A table's definitions, as the database prints them."""

    name: str
    exists: bool
    table: str = ""
    fields: Mapping[str, str] = attrs.field(factory=dict)
    indexes: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def is_job_table(self) -> bool:
        """Whether it has a job's fields."""
        return self.fields.keys() >= JOB_FIELDS

    @property
    def is_migrated(self) -> bool:
        """Whether our fields and indexes are there."""
        return self.fields.keys() >= OUR_FIELDS and self.indexes.keys() >= OUR_INDEXES

    @property
    def holds_entries(self) -> bool:
        """Whether an entry of ``errors`` keeps its fields."""
        if "SCHEMALESS" in self.table:
            return True
        entry = self.fields.get("errors[*]", self.fields.get("errors.*", ""))
        own = self.fields.get("errors", "")
        named = {"errors[*].name", "errors.*.name"} & self.fields.keys()
        return "FLEXIBLE" in entry or "FLEXIBLE" in own or "TYPE any" in own or bool(named)

    @property
    def keeps_payload_objects(self) -> bool:
        """Whether an object in ``payload`` keeps its fields. 3.x keeps those of ``any``, or refuses them."""
        payload = self.fields.get("payload", "")
        older = any("option<" in each for each in self.fields.values())  # 3.x prints ``none | ...``
        takes_objects = "any" in self.type_of("payload") or "object" in self.type_of("payload")
        return "SCHEMALESS" in self.table or "FLEXIBLE" in payload or not (older and takes_objects)

    def type_of(self, field: str) -> str:
        """A field's type, as the database prints it; empty where it has none."""
        found = _TYPE.search(self.fields.get(field, ""))
        return found[1] if found else ""

    def permissions_of(self, field: str) -> str:
        """A field's ``PERMISSIONS`` clause."""
        text = self.fields.get(field, "")
        return text[text.index("PERMISSIONS ") :] if "PERMISSIONS " in text else ""

    @property
    def created_at_moves(self) -> bool:
        """Whether ``created_at`` changes at each update."""
        return " VALUE " in self.fields.get("created_at", "")

    @property
    def links_any_record(self) -> bool:
        """Whether ``assigned_to`` is optional and of any table."""
        return self.type_of("assigned_to") in {"", "option<record>", "none | record", "any"}

    @property
    def whole_seconds(self) -> bool:
        """Whether ``timeout`` takes whole numbers only."""
        kinds = self.type_of("timeout")
        return "int" in kinds and "float" not in kinds and "number" not in kinds

    def refused_strategies(self, strategies: frozenset[str]) -> list[str]:
        """Strategies that the table's ASSERT doesn't allow."""
        text = self.fields.get("retry_strategy", "")
        if " ASSERT " not in text:
            return []
        return sorted(each for each in strategies if f"'{each}'" not in text and f'"{each}"' not in text)


async def read_layout(connection: Connection, tables: list[str]) -> dict[str, TableLayout]:
    """The layouts of these tables, in one round trip."""
    infos = "".join(f"INFO FOR TABLE {quoted(each)};" for each in tables)
    reply = await connection.read(f"INFO FOR DB;{infos}")
    defined = {_bare(name): text for name, text in reply[0]["tables"].items()}
    return {name: _layout(name, defined, info) for name, info in zip(tables, reply[1:], strict=True)}


def _layout(name: str, defined: Mapping[str, str], info: Mapping[str, Any]) -> TableLayout:
    return TableLayout(
        name=name,
        exists=name in defined,
        table=defined.get(name, ""),
        fields={_bare(key): text for key, text in info["fields"].items()},
        indexes={_bare(key): text for key, text in info["indexes"].items()},
    )


def _bare(name: str) -> str:
    return name.strip("`⟨⟩")
