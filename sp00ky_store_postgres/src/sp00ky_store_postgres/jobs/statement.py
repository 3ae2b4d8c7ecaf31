"""Write an enqueue as SQL and parameters, for a transaction whose statements the caller sends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.hints import shown
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import ParamStyle, SqlStatement
from sp00ky_core.stores.ids import new_key
from sp00ky_store_postgres.ids import hyphenated
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.enqueue_arguments import one_arguments

NAMES = (
    "id",
    "path",
    "payload",
    "max_retries",
    "retry_strategy",
    "timeout",
    "assigned_to",
    "traceparent",
    "run_at",
    "delay",
    "priority",
    "ordering_key",
    "expires_at",
)
"""Of the arguments of ``add_one``, in their order."""

_PLACE = re.compile(r"\{\{(\w+)\}\}")


@attrs.frozen(kw_only=True)
class Style:
    """One way to write parameters.

    Attributes:
        place: Of a parameter, with its ``name`` and its ``number``.
        special: What stands for itself only where it is written as ``escaped``.
        escaped: In the text.
        is_named: Parameters are by name; else in order.
    """

    place: str
    special: str = "%"
    escaped: str = "%%"
    is_named: bool = False


STYLES: Mapping[str, Style] = {
    "pyformat": Style(place="%({name})s", is_named=True),
    "format": Style(place="%s"),
    "numeric": Style(place="${number}", escaped="%"),
    "named": Style(place=":{name}", special=":", escaped=r"\:", is_named=True),
}


def sql_statement(tables: Tables, new_job: NewJob, paramstyle: ParamStyle) -> SqlStatement:
    """Return an INSERT of one job. Raises ``OptionInvalid`` for a style that isn't known."""
    if paramstyle not in STYLES:
        expected = f"one of {', '.join(STYLES)}"
        raise OptionInvalid(option="paramstyle", value=shown(paramstyle), expected=expected)
    style, table = STYLES[paramstyle], tables.of(new_job.backend)
    key = hyphenated(new_key())
    values = _values(key, new_job)
    names: list[str] = []

    def place(found: re.Match[str]) -> str:
        names.append(found[1])
        return style.place.format(name=found[1], number=len(names))

    text = tables.statement("add_statement", table).replace(style.special, style.escaped)
    text = _PLACE.sub(place, text)
    parameters = values if style.is_named else tuple(values[name] for name in names)
    return SqlStatement(text=text, parameters=parameters, job_id=f"{table.table}:{key}")


def _values(key: str, new_job: NewJob) -> dict[str, Any]:
    values = dict(zip(NAMES, one_arguments(key, new_job, plain=False), strict=True))
    ordered = {"dedup_key": new_job.dedup_key, "ordered": new_job.ordering_key is not None}
    return {name: _text_of(value) for name, value in (values | ordered).items()}


def _text_of(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
