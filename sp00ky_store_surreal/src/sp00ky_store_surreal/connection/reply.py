"""Read a reply: look at every statement's status, for the SDK looks at the first one only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import surrealdb

from sp00ky_store_surreal.errors import reply_error, statement_error

NULL: object = getattr(surrealdb, "Null", None)
"""What the SDK's decoding makes of NULL: 3.x an object of its own, 2.x None."""

JSON_NULL: Any = surrealdb.cbor.CBORSimpleValue(22) if NULL is None else NULL
"""What to bind for a NULL within a value: None would be NONE, and an object would lack the field."""


def results_of(store: str, reply: Mapping[str, Any]) -> list[Any]:
    """Return each statement's result. Raises the error that says most, where there is one."""
    if "result" not in reply:
        raise reply_error(store, reply.get("error"))
    problem = statement_error(store, reply["result"])
    if problem is not None:
        raise problem
    return [each["result"] for each in reply["result"]]


def without_null(value: Any) -> Any:
    """Replace NULL by None in a value, for columns and JSON don't tell it from NONE."""
    if NULL is None:
        return value
    if isinstance(value, list):
        return [without_null(each) for each in value]
    if isinstance(value, dict):
        return {key: without_null(each) for key, each in value.items()}
    return None if value is NULL else value
