"""Translate what the SDK raises and what statements report into the project's errors.

A message may quote what a user wrote: THROW's text, a refused value. The engine's own sentences are known by
how they begin, and those that quote a user are looked for first.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import attrs
from websockets.exceptions import WebSocketException

from sp00ky_core.errors import RowRefused, SchemaError, StoreClosed, StoreError, StoreUnavailable

SILENT = "the server does not answer"

LONGEST = 500
"""Characters of a message that are kept."""

FUNCTIONS = "array,count,math,record,session,string,time,type"
"""The families of functions that our statements call, as ``--allow-funcs`` takes them."""


class Conflict(StoreError):
    """Two transactions wanted the same rows; the same statement may work now."""


class EngineFault(StoreUnavailable):
    """The database's storage failed (a full disk, an IO error): no row is to blame."""


class ConnectionLost(StoreUnavailable):
    """The connection was lost before the reply came: the statement may have been carried out."""


class SessionEnded(StoreUnavailable):
    """The server carries out nothing before the next sign-in."""


class PlaceMissing(SchemaError):
    """The namespace or the database is missing."""


@attrs.define(kw_only=True, eq=False)
class TableMissing(SchemaError):
    """A table is missing, or was removed.

    Attributes:
        table: Its name.
    """

    table: str


class ReplyUnreadable(StoreError):
    """The statement was carried out, and its reply holds a value that can't be read."""


class TookTooLong(StoreError):
    """The statement took longer than it may, and wrote nothing: among its rows there is a huge one."""


class StatementInvalid(StoreError):
    """The database can't parse an internal statement: a fault here, or a version that isn't supported."""


class DuplicateKey(RowRefused):
    """A unique index holds the value already."""


NO_ROWS_FAULT = (StoreUnavailable, StoreClosed, SchemaError, StatementInvalid)
"""Errors that leaving a row out can't fix."""

_RAISED = (RuntimeError, ValueError, ArithmeticError, BufferError, LookupError, TypeError, AttributeError)
"""What the engine raises, and a decoder that meets a value that it doesn't know."""

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
_HELD = re.compile(r"Found (?!NONE\b).* for field (?=`?(payload|result)\b)", re.DOTALL)
_COERCED = re.compile(r"(value for field `?(?:payload|result)\b.*?: Expected .*? but found ).*", re.DOTALL)
_NEEDED = re.compile(r"Function '[^']*' is not allowed")
_DUPLICATE = re.compile(r"Database index .* already contains ")
_CONFLICT = re.compile(
    r"(Cannot COMMIT: |There was a problem with [a-z -]+: )?"
    r"(Failed to commit transaction due to a read or write conflict|Transaction (write )?conflict)"
    r".*This transaction can be retried$"
    r"|Index building has been cancelled: .* was replaced mid-transaction"
)
_MISSING = re.compile(r"The (table|namespace|database) '(.*)' does not exist$")
_NOWHERE = re.compile(r"Specify a (namespace|database) to use$")
_TOO_LONG = re.compile(r"The query was not executed because it exceeded the timeout")
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
_NO_ENGINE = re.compile(r"Unsupported protocol in URL: .* For embedded connections ")
_WHERE = "is a SurrealDB server running at that address?"
_TLS = "does the server speak TLS there, with a certificate that is trusted here? ws:// is without"
_SECRET = re.compile(r"(://)[^/@\s]+@")


def statement_error(store: str, results: list[Mapping[str, Any]]) -> StoreError | None:
    """Return the error of a reply's statements that says most; None: all went well."""
    failed = [_line(str(result.get("result"))) for result in results if result.get("status") != "OK"]
    if not failed:
        return None
    said = [message for message in failed if _NOT_RUN.match(message) is None]
    errors = [_of_message(store, message) for message in said or failed[:1]]
    return next((error for error in errors if isinstance(error, Conflict)), errors[0])


def translated(store: str, error: BaseException) -> StoreError:
    """Translate what the SDK, a socket or the embedded engine raised."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error.__cause__, RuntimeError):
        error = error.__cause__  # the engine's, in an error of the SDK's (3.x)
    text = _line(_SECRET.sub(r"\1***@", str(error)))
    known = _without_engine() if _NO_ENGINE.match(text) else _REFUSED.get(text)
    if known:
        return StoreError(store=store, problem=known)
    if isinstance(error, TimeoutError):
        return StoreUnavailable(store=store, problem=SILENT)
    if isinstance(error, OSError | WebSocketException | asyncio.CancelledError):
        hint = _TLS if isinstance(error, ssl.SSLError) else _WHERE
        return StoreUnavailable(
            store=store, problem=f"no connection: {text or type(error).__name__} ({hint})"
        )
    if isinstance(error, _RAISED):
        return _raised(store, text)
    return StoreError(store=store, problem=text or type(error).__name__)


def reply_error(store: str, error: object) -> StoreError:
    """Translate what a server answered instead of the statements' results."""
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
    """Return the database's own words, fit for a row."""
    words = error.problem
    for advice in (_ALLOW, _EDITOR, _MIGRATE):
        words = words.removesuffix(advice)
    return words.replace("\0", "\ufffd")


def may_be_a_rows(error: StoreError) -> bool:
    """Whether a row may be to blame, so that others can be written without it."""
    return not isinstance(error, NO_ROWS_FAULT)


def unwritable(store: str, table: str) -> SchemaError:
    """Say that a write was dropped: the database reports no error where the user may not write."""
    problem = f"its user may not write table {table!r}: it needs ROLES EDITOR (docs/surrealdb.md says more)"
    return SchemaError(store=store, problem=problem)


def needs_function(reason: str) -> bool:
    """Whether the server's own settings are in the way: they allow a function to no user."""
    return _NEEDED.match(reason) is not None


def _without_engine() -> str:
    """Advise for the SDK's third version without its extra; its own advice would install the second."""
    installed = version("surrealdb")
    return (
        f"the SDK that is installed (surrealdb {installed}) has no embedded engine: "
        f'pip install "surrealdb[embedded]=={installed}", or use a server (ws://)'
    )


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
    if own == text and needs_function(own):
        return RowRefused(store=store, problem=text + _ALLOW)
    if _QUOTING.match(own):
        return RowRefused(store=store, problem=text)
    if _CONFLICT.match(own):
        return Conflict(store=store, problem="transactions keep colliding; try again")
    for sentence, kind in ((_TOO_LONG, TookTooLong), (_ENGINE, EngineFault)):
        if sentence.match(own):
            return kind(store=store, problem=text)
    # Whatever else an event of the user's came to, it is about the row.
    return _of_table(store, text) if own == text else RowRefused(store=store, problem=text)


def _of_table(store: str, text: str) -> StoreError:
    if _NOWHERE.match(text):
        problem = "its namespace or database is missing: check their names, or run: sp00ky migrate"
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
    """Write it in one line; of a long one the beginning and the end, which say what it is of.

    What a payload or a result holds is left out: errors are logged, and kept in rows.
    """
    text = _COERCED.sub(r"\1another value", _HELD.sub("Found another value for field ", text))
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
