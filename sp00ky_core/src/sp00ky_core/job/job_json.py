"""A job as JSON: the shape of ``--json``, of ``jobs get`` and of what watchers print."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs
import cattrs
from cattrs.gen import make_dict_unstructure_fn, override

from sp00ky_core.encoding.json_bytes import decode, encode
from sp00ky_core.job.job import AttemptError, Job

__all__ = ["instant_to_json", "job_to_json"]

_UNSTATED = frozenset({"ordering_at", "expires_at", "deferred_since", "defect", "omitted"})

JOB_KEYS = tuple(
    field.name.removesuffix("_json") for field in attrs.fields(Job) if field.name not in _UNSTATED
)
"""The keys of a job as JSON, in their order."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def job_to_json(job: Job) -> dict[str, Any]:
    """Turn a job into JSON values: every key of ``JOB_KEYS``, absent ones null, payload and result parsed.

    An entry of ``errors`` that stands for several has ``since`` and ``count`` too, one of another
    scheme than HTTP's its ``scheme``. Where a list has left columns out because they are long, ``omitted``
    names them, and null stands for a payload or a result.

    Never raises for what a client wrote into the row: where the payload holds no JSON, its text stands, and
    what UTF-8 can't hold is replaced by U+FFFD.
    """
    fields = _printable(_converter.unstructure(job))
    fields["payload"] = _json_value(job.payload_json)
    fields["result"] = None if job.result_json is None else _json_value(job.result_json)
    omitted = {"omitted": list(job.omitted)} if job.omitted else {}
    return {key: fields[key] for key in JOB_KEYS} | omitted


def instant_to_json(instant: datetime) -> str:
    """RFC 3339 in UTC with ``Z``; microseconds where there are any; one without a zone is taken as UTC."""
    if instant.utcoffset() is None:
        instant = instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _json_value(text: bytes) -> Any:
    try:
        value = decode(text)
    except ValueError:
        return text.decode(errors="replace")
    try:
        encode(value)
    except UnicodeEncodeError:
        return decode(_LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
    except ValueError:  # 1e999, which is JSON and reads as infinity
        return text.decode(errors="replace")
    return value


def _printable(value: Any) -> Any:
    """Replace all that UTF-8 can't encode in a value."""
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list | tuple):
        return [_printable(each) for each in value]
    if isinstance(value, Mapping):
        return {_printable(key): _printable(each) for key, each in value.items()}
    return value


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_unstructure_hook(datetime, instant_to_json)
    # What stands in the two texts are values in JSON: `job_to_json` adds them.
    unsaid: dict[str, Any] = dict.fromkeys((*_UNSTATED, "payload_json", "result_json"), override(omit=True))
    several: dict[str, Any] = dict.fromkeys(("since", "count", "scheme"), override(omit_if_default=True))
    converter.register_unstructure_hook(
        AttemptError, make_dict_unstructure_fn(AttemptError, converter, **several)
    )
    converter.register_unstructure_hook(Job, make_dict_unstructure_fn(Job, converter, **unsaid))
    return converter


_converter = _make_converter()
