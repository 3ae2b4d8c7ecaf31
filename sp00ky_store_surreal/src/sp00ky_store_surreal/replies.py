"""What a reply says: every statement's status is looked at, for the SDK looks at the first one only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sp00ky_store_surreal.errors import reply_error, statement_error

__all__ = ["results_of"]


def results_of(store: str, reply: Mapping[str, Any]) -> list[Any]:
    """Each statement's result. Raises the error that says most, where there is one."""
    if "result" not in reply:
        raise reply_error(store, reply.get("error"))
    problem = statement_error(store, reply["result"])
    if problem is not None:
        raise problem
    return [each["result"] for each in reply["result"]]
