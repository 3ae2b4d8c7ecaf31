"""Write the pages of the reference that come from declarations: configuration, columns, metrics."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from prometheus_client.parser import text_string_to_metric_families

from sp00ky_core.config import BackendConfig, Config
from sp00ky_core.config.keys import keys_of
from sp00ky_core.observe.prometheus import exposition
from sp00ky_core.observe.rates import Counters
from sp00ky_core.ports import BackendStats
from sp00ky_schedules import ScheduleConfig
from sp00ky_schedules.plugin import SchedulesExtension
from sp00ky_store_kit import schema
from sp00ky_store_kit.schema import Column, Default, Table, job_table
from sp00ky_store_postgres.schema.definition import COLUMNS
from tools.site.markdown import table
from tools.sources import ROOT

__all__ = ["columns_page", "configuration_page", "metrics_page"]

SURQL = ROOT / "sp00ky_store_surreal" / "src" / "sp00ky_store_surreal" / "schema"
FIELD = re.compile(
    r"^-- (.*)\nDEFINE FIELD IF NOT EXISTS (\w+) ON TABLE @table@ TYPE (\S+(?: \| [\w>]+)*)", re.MULTILINE
)

CONFIGURATION = """\
# Keys of sp00ky.yml

Every key, as the configuration's own classes declare it.
[Configuration](../configuration.md) explains them, with an example of the whole file.
"""

COLUMN_PAGE = """\
# Columns

Every column of every table, as the stores declare them.
[The row contract](../row-contract.md) says who writes which, and when.

## A job table

One for each backend, by default `job`. `-`: the store has no such column.
"""

OTHERS = """
## Tables of the outbox itself, and of schedules

Types are those of `TransactionalStore`; PostgreSQL and SurrealDB have their own for the same.
"""

METRICS = """\
# Metrics

Every family of `/metrics`, which `sp00ky run --listen` serves.
[Monitoring](../monitoring.md) says what to alert on.
"""


def configuration_page() -> str:
    """Return the page of the configuration's keys."""
    lines = [CONFIGURATION]
    sections = (("The whole file", Config), ("A backend", BackendConfig), ("A schedule", ScheduleConfig))
    for title, section in sections:
        lines += _section(title, section)
    return "\n".join(lines) + "\n"


def _section(title: str, section: type, level: int = 2) -> Iterator[str]:
    yield from ("", f"{'#' * level} {title}", "")
    texts, keys = _attributes(section), keys_of(section)
    fields = {field.name: field for field in attrs.fields(section)}
    rows = [
        (f"`{'` or `'.join(key.places)}`", _default(fields[name]), texts[name]) for name, key in keys.items()
    ]
    yield from table(["Key", "Default", "Meaning"], rows)
    for key in keys.values():
        if attrs.has(key.read):
            yield from _section(f"`{key.places[0]}` of {title[0].lower()}{title[1:]}", key.read, level + 1)


def _attributes(section: type) -> Mapping[str, str]:
    """Read the ``Attributes:`` of a class and of those that it extends."""
    bases = (base for base in section.__mro__ if base is not object)
    text = "\n".join(inspect.cleandoc(base.__doc__ or "") for base in bases)
    found = re.findall(r"^    (\w+): (.*(?:\n {8,}.*)*)", text, re.MULTILINE)
    return {name: " ".join(said.split()) for name, said in found}


def _default(field: attrs.Attribute[Any]) -> str:
    value = field.default
    if value is attrs.NOTHING:
        return "required"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float | str):
        return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
    return ""


def columns_page() -> str:
    """Return the page of all tables' columns."""
    declared = {column.name: column for column in job_table("job").columns}
    surreal = _surreal_fields()
    rows = [
        (
            f"`{name}`",
            _type(COLUMNS.get(name)),
            _type(surreal.get(name, ("", None))[1] if name != "id" else "record id"),
            _type(declared[name].kind.value if name in declared else None),
            _column_default(declared.get(name)),
            surreal.get(name, ("",))[0],
        )
        for name in {**COLUMNS, **surreal, **declared}
    ]
    lines = [COLUMN_PAGE, *table(["Column", "PostgreSQL", "SurrealDB", "Others", "Default", "Meaning"], rows)]
    lines.append(OTHERS)
    own = [value for value in vars(schema).values() if isinstance(value, Table)]
    for each in [*own, *SchedulesExtension.tables]:
        lines += ["", f"### `{each.name}`", ""]
        columns = [
            (f"`{one.name}`", one.kind.value, _column_default(one), "yes" if one.name in each.key else "")
            for one in each.columns
        ]
        lines += table(["Column", "Type", "Default", "Key"], columns)
    return "\n".join(lines) + "\n"


def _surreal_fields() -> Mapping[str, tuple[str, str]]:
    """Read SurrealDB's fields: the comment above each, and its type."""
    texts = [(SURQL / name).read_text() for name in ("job_additions.surql", "job.surql")]
    return {
        name: (said, kind.replace("@payload@", "any"))
        for text in texts
        for said, name, kind in FIELD.findall(text)
    }


def _type(kind: str | None) -> str:
    return "-" if kind is None else f"`{kind}`"


def _column_default(column: Column | None) -> str:
    if column is None or column.default is None:
        return ""
    if isinstance(column.default, Default):
        return {Default.KEY: "a new key", Default.NOW: "now"}[column.default]
    return f"`{column.default}`" if column.default != "" else "empty"


def metrics_page() -> str:
    """Return the page of the metrics' families."""
    tally = Counters()
    tally.attempt(("api", "/spookify", "success", 200), 0.1)
    text = exposition(tally, {"api": 1}, {"api": BackendStats()})
    rows = []
    for family in text_string_to_metric_families(text):
        first = family.samples[0].name if family.samples else family.name
        name = first.removesuffix("_bucket")  # as queries have it: counters with a suffix
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        names = ", ".join(f"`{label}`" for label in sorted(labels))
        rows.append((f"`{name}`", family.type, names, family.documentation))
    return "\n".join([METRICS, *table(["Name", "Type", "Labels", "Meaning"], rows)]) + "\n"
