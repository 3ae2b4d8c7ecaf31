"""Turn what is read of queues, runners, errors and the audit into JSON: the shapes of ``--json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from sp00ky_core.job.job import value_to_json
from sp00ky_core.job.outcome import HTTP
from sp00ky_core.ports import AuditEntry, RunnerRecord

if TYPE_CHECKING:
    from sp00ky_core.observe.rates import Rates

__all__ = ["json_of"]


RUNNER_KEYS = ("id", "host", "pid", "version", "started_at", "beat_at", "state", "in_flight", "slots")

AUDIT_KEYS = (
    *("id", "at", "actor", "db_user", "via", "host"),
    *("action", "selection", "count", "reason", "ended_at"),
)


def json_of(record: attrs.AttrsInstance) -> dict[str, Any]:
    """Turn a record into JSON values, a key for each of its attributes."""
    return attrs.asdict(record, filter=_is_said, value_serializer=_json_value)


def runner_to_json(runner: RunnerRecord) -> dict[str, Any]:
    """Turn a runner into JSON values, with its state."""
    fields = json_of(runner)
    fields |= {**fields["info"], "state": runner.state.value}
    return {key: fields[key] for key in RUNNER_KEYS}


def audit_to_json(entry: AuditEntry) -> dict[str, Any]:
    """Turn an audit entry into JSON values."""
    fields = json_of(entry)
    return {key: fields[key] for key in AUDIT_KEYS}


def rates_to_json(rates: Rates) -> dict[str, Any]:
    """Turn a backend's attempts into JSON values; codes are texts, as keys have to be."""
    fields: dict[str, Any] = attrs.asdict(rates, value_serializer=_json_value)
    del fields["backend"], fields["path"], fields["buckets"]
    codes = {str(code): count for code, count in rates.codes.items()}
    return fields | {"codes": codes, "per_second": rates.per_second}


def _is_said(field: attrs.Attribute[Any], value: Any) -> bool:
    return (field.name, value) != ("scheme", HTTP)


def _json_value(_record: object, _field: object, value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value_to_json(value)
