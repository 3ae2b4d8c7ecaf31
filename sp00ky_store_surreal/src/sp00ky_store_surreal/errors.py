"""What the SDK raises and what statements report -> the project's errors, the cause chained."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from sp00ky_core.errors import RowRefused, SchemaError, StoreError, StoreUnavailable

__all__ = [
    "Conflict",
    "StatementInvalid",
    "ReplyUnreadable",
    "DuplicateKey",
    "statement_error",
    "translated",
    "reason_of",
]


class Conflict(StoreError):
    """Two transactions wanted the same rows; the same statement may work now."""


class ReplyUnreadable(StoreError):
    """The statement was carried out, and its reply holds a value that can't be read."""


class StatementInvalid(StoreError):
    """The database can't parse a statement of ours: a fault here, or a version that isn't supported."""


class DuplicateKey(RowRefused):
    """A unique index holds the value already."""


_NOT_RUN = "not executed due to a failed transaction"
_RETRIED = "can be retried"
_UNREADABLE = ("Failed to convert response", "Failed to encode CBOR response")
_SECRET = re.compile(r"(://)[^/@\s]+@")


def statement_error(store: str, results: list[Mapping[str, Any]]) -> StoreError | None:
    """The error of a reply's statements that says most; None: all went well."""
    failed = [str(each.get("result")) for each in results if each.get("status") != "OK"]
    if not failed:
        return None
    if any(_RETRIED in each for each in failed):
        return Conflict(store=store, problem="transactions keep colliding; try again")
    told = [each for each in failed if _NOT_RUN not in each and "cancelled transaction" not in each]
    return _of_message(store, (told or failed)[0])


def translated(store: str, error: BaseException) -> StoreError:
    """What the SDK or the embedded engine raised, as ours."""
    text = _SECRET.sub(r"\1***@", str(error))
    if isinstance(error, RuntimeError | ValueError | OverflowError | BufferError):
        if "Parse error" in text or "There was a problem with the database" in text:
            return StatementInvalid(store=store, problem=_line(text))
        return ReplyUnreadable(store=store, problem=_line(text))
    if isinstance(error, OSError | asyncio.CancelledError):
        return StoreUnavailable(store=store, problem=f"no connection: {_line(text) or type(error).__name__}")
    return StoreError(store=store, problem=_line(text) or type(error).__name__)


def reason_of(error: StoreError) -> str:
    """The database's own words, fit for a row."""
    return error.problem.replace("\0", "\ufffd")


def _of_message(store: str, message: str) -> StoreError:
    text = _line(message)
    if "already contains" in text:
        return DuplicateKey(store=store, problem=text)
    if "does not exist" in text and ("table" in text or "namespace" in text or "database" in text):
        return SchemaError(store=store, problem=f"{text}; run: sp00ky migrate")
    if "field" in text or "record" in text or "Key encoding" in text:
        return RowRefused(store=store, problem=text)
    return StoreError(store=store, problem=text)


def _line(text: str) -> str:
    return " ".join(text.split())[:500]
