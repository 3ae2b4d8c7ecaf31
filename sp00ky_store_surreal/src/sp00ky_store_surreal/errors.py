"""What the SDK raises and what statements report -> the project's errors, the cause chained.

A message may quote what a user wrote: THROW's text, a refused value. So the engine's own sentences are told
by how they begin, and those that quote somebody are looked for first.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from typing import Any

import attrs
from websockets.exceptions import WebSocketException

from sp00ky_core.errors import RowRefused, SchemaError, StoreError, StoreUnavailable

__all__ = [
    "FUNCTIONS",
    "SILENT",
    "Conflict",
    "EngineFault",
    "ConnectionLost",
    "SessionEnded",
    "PlaceMissing",
    "StatementInvalid",
    "TableMissing",
    "ReplyUnreadable",
    "DuplicateKey",
    "AlreadyThere",
    "NO_ROWS_FAULT",
    "statement_error",
    "translated",
    "reply_error",
    "reason_of",
    "needs_function",
]

SILENT = "the server does not answer"

FUNCTIONS = "array,count,math,record,session,string,time,type"
"""The families of functions that our statements call, as ``--allow-funcs`` takes them."""


class Conflict(StoreError):
    """Two transactions wanted the same rows; the same statement may work now."""


class EngineFault(StoreUnavailable):
    """The database's storage failed (a full disk, an IO error): no row is to blame."""


class ConnectionLost(StoreUnavailable):
    """The connection was lost before the reply came: nobody knows whether the statement was carried out."""


class SessionEnded(StoreUnavailable):
    """The server carries out nothing before the next sign-in."""


class PlaceMissing(SchemaError):
    """The namespace or the database isn't there."""


@attrs.define(kw_only=True, eq=False)
class TableMissing(SchemaError):
    """A table isn't there, or not any more."""

    table: str


class ReplyUnreadable(StoreError):
    """The statement was carried out, and its reply holds a value that can't be read."""


class StatementInvalid(StoreError):
    """The database can't parse a statement of ours: a fault here, or a version that isn't supported."""


class DuplicateKey(RowRefused):
    """A unique index holds the value already."""


class AlreadyThere(RowRefused):
    """A record of that id is there already."""


NO_ROWS_FAULT = (StoreUnavailable, SchemaError, StatementInvalid)
"""What taking a row aside can't mend."""

_NOT_RUN = re.compile(
    r"The query was not executed due to a (failed|cancelled) transaction$"
    r"|Cannot COMMIT: the transaction was aborted due to a prior error$"
)
_LEAD = re.compile(r"The query was not executed due to a failed transaction\. (?=.)")
_DATABASE = "There was a problem with the database: "
_EVENT = re.compile(r"Error while processing event [^:]*: ")
_QUOTING = re.compile(
    r"An error occurred: |Found .* for field |Found field |Couldn't coerce value for field |Expected "
    r"|Database record .* already exists|Incorrect arguments for function |(The function|Function) '"
    r"|Cannot perform |Key encoding|Could not cast |A user generated conversion error "
)
_NEEDED = re.compile(r"Function '[^']*' is not allowed")
_THERE = re.compile(r"Database record .* already exists")
_DUPLICATE = re.compile(r"Database index .* already contains ")
_CONFLICT = re.compile(
    r"(Cannot COMMIT: |There was a problem with [a-z -]+: )?"
    r"(Failed to commit transaction due to a read or write conflict|Transaction (write )?conflict)"
    r".*This transaction can be retried$"
)
_MISSING = re.compile(r"The (table|namespace|database) '(.*)' does not exist$")
_NOWHERE = re.compile(r"Specify a (namespace|database) to use$")
_ENGINE = re.compile(
    r"There was a problem with (a|the) |The query was not executed |Log error|IO error|Io error|I/O error"
    r"|fsync|No space left|Cannot COMMIT: |Couldn't update a finished transaction"
)
_SESSION = re.compile(r"The (session|token) has expired|Anonymous access not allowed")
_REFUSED = {
    "There was a problem with authentication": "it doesn't let us sign in: check the user, the password or "
    "the token, and whose user it is (auth=root, namespace or database in the URL)",
    "The token has expired": "the token has expired: put a new one into the URL",
}
_ALLOW = f": start the server with --allow-funcs {FUNCTIONS}, and with what your own definitions call"
_EDITOR = (
    ": sign in as a user with ROLES EDITOR of root, the namespace or the database, and not with a record "
    "user's token"
)
_MIGRATE = "; run: sp00ky migrate"
_WHERE = "is a SurrealDB server running at that address?"
_TLS = "does the server speak TLS there, with a certificate that is trusted here? ws:// is without"
_SECRET = re.compile(r"(://)[^/@\s]+@")


def statement_error(store: str, results: list[Mapping[str, Any]]) -> StoreError | None:
    """The error of a reply's statements that says most; None: all went well."""
    failed = [_line(str(each.get("result"))) for each in results if each.get("status") != "OK"]
    if not failed:
        return None
    told = [each for each in failed if _NOT_RUN.match(each) is None]
    found = [_of_message(store, each) for each in told or failed[:1]]
    return next((each for each in found if isinstance(each, Conflict)), found[0])


def translated(store: str, error: BaseException) -> StoreError:
    """What the SDK, a socket or the embedded engine raised, as ours."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error.__cause__, RuntimeError):
        error = error.__cause__  # the engine's, in an error of the SDK's (3.x)
    text = _line(_SECRET.sub(r"\1***@", str(error)))
    if text in _REFUSED:
        return StoreError(store=store, problem=_REFUSED[text])
    if isinstance(error, TimeoutError):
        return StoreUnavailable(store=store, problem=SILENT)
    if isinstance(error, OSError | WebSocketException | asyncio.CancelledError):
        hint = _TLS if isinstance(error, ssl.SSLError) else _WHERE
        return StoreUnavailable(
            store=store, problem=f"no connection: {text or type(error).__name__} ({hint})"
        )
    if isinstance(error, RuntimeError | ValueError | OverflowError | BufferError):
        return _raised(store, text)
    return StoreError(store=store, problem=text or type(error).__name__)


def reply_error(store: str, error: object) -> StoreError:
    """What a server answered instead of the statements' results."""
    text = error.get("message") if isinstance(error, Mapping) else error
    text = _line(str(text)).removeprefix(_DATABASE)
    if _ENGINE.match(text):
        return EngineFault(store=store, problem=text)
    if _SESSION.match(text):
        return SessionEnded(store=store, problem=text)
    if text == "Parse error":  # of a reply: a value that has no form in it (a statement's says where)
        return ReplyUnreadable(store=store, problem="a value can't be put in a reply")
    return StatementInvalid(store=store, problem=text)


def reason_of(error: StoreError) -> str:
    """The database's own words, fit for a row."""
    words = error.problem
    for advice in (_ALLOW, _EDITOR, _MIGRATE):
        words = words.removesuffix(advice)
    return words.replace("\0", "\ufffd")


def needs_function(reason: str) -> bool:
    """Whether the server's own settings are in the way: it allows a function to nobody."""
    return _NEEDED.match(reason) is not None


def _raised(store: str, text: str) -> StoreError:
    bare = text.removeprefix(_DATABASE)
    if _ENGINE.match(bare):
        return EngineFault(store=store, problem=text)
    if bare != text or bare.startswith("Parse error"):
        return StatementInvalid(store=store, problem=text)
    return ReplyUnreadable(store=store, problem=text)


def _of_message(store: str, message: str) -> StoreError:
    text = _LEAD.sub("", message, count=1)
    own = _EVENT.sub("", text, count=1)
    if own == text and _THERE.match(own):
        return AlreadyThere(store=store, problem=text)
    if own == text and needs_function(own):
        return RowRefused(store=store, problem=text + _ALLOW)
    if _QUOTING.match(own):
        return RowRefused(store=store, problem=text)
    if _CONFLICT.match(own):
        return Conflict(store=store, problem="transactions keep colliding; try again")
    if _ENGINE.match(own):
        return EngineFault(store=store, problem=text)
    # Whatever else an event of the user's came to, it is about the row.
    return _of_table(store, text) if own == text else RowRefused(store=store, problem=text)


def _of_table(store: str, text: str) -> StoreError:
    if _NOWHERE.match(text):
        problem = "its namespace or database isn't there: check their names, or run: sp00ky migrate"
        return PlaceMissing(store=store, problem=problem)
    if _DUPLICATE.match(text):
        return DuplicateKey(store=store, problem=text)
    missing = _MISSING.match(text)
    if missing:
        problem = f"{text}{_MIGRATE}"
        if missing[1] == "table":
            return TableMissing(store=store, problem=problem, table=missing[2])
        return SchemaError(store=store, problem=problem)
    if text.startswith("IAM error: Not enough permissions"):
        return StoreError(store=store, problem=text + _EDITOR)
    return StoreError(store=store, problem=text)


def _line(text: str) -> str:
    return " ".join(text.split())[:500]
