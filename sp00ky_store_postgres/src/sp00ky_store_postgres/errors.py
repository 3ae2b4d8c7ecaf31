"""Translate drivers' errors to the project's, without secrets; the caller chains the cause."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.errors import RowRefused, SchemaError, Sp00kyError, StoreError, StoreUnavailable
from sp00ky_core.ports import QUERY_SECONDS

MIGRATE = "run: sp00ky migrate"

GRANT = (
    "grant this role what it needs (sp00ky check finds what a runner lacks, sp00ky migrate --print-grants "
    "prints what each role needs), or connect as the tables' owner"
)

READ_ONLY = (
    "it takes no writes: it is a standby, or default_transaction_read_only is on. Connect to the primary; "
    "with several hosts in the URL add target_session_attrs=read-write"
)

LOST = ("08", "57P", "53", "25006", "25P03")
"""States of a server that is away, ending, full, no primary any more, or gave an idle transaction up."""
CONFLICTS = frozenset({"40001", "40P01", "55P03"})
"""States of a serialization failure, a deadlock, a lock timeout: the same call may work at once."""
ABORTED = "25P02"
"""The state of a transaction in which a statement has failed before."""
REFUSALS = ("22", "23", "P0", "54", "44")
"""States of values that can't be, of constraints, a trigger's RAISE or ASSERT, limits, a view's check."""
RULES = frozenset({"exec_stmt_raise", "ExecWithCheckOptions"})
"""Places in the server that raise what a RAISE with any state, or a policy of row-level security, refuses."""
CANCELLED = "57014"
SLOW = frozenset({CANCELLED, "55P03"})
"""States of a statement that statement_timeout or lock_timeout has ended."""
MISSING = frozenset({"42P01", "42703", "3F000", "42883", "42P10", "42804"})
"""States of what is missing: a table, a column, a schema, a function, an index for ON CONFLICT, or a type."""
NO_RIGHT = "42501"
NO_WRITES = "25006"
POOLED = frozenset({"26000", "42P05", "08P01"})
"""States behind a pooler: a prepared statement that is lacking, or there already; settings that are
refused."""


NOT_ITS_FAULT = ("08", "57P", *CONFLICTS)
"""States of a server that is away, ending, or at odds with another transaction: no fault of a query's."""
TOO_LONG = f"it takes longer than {QUERY_SECONDS:.0f} seconds"


class SlowStatement(TimeoutError):
    """A statement took too long and is cancelled on the server."""


def state_of(error: BaseException) -> str:
    """Return the SQLSTATE that a driver's error, or its cause, carries; empty where there is none."""
    return _said_of(error, "sqlstate", "pgcode")


def constraint_of(error: BaseException) -> str:
    """Return the constraint, or the unique index, that a driver's error names; empty where it names none."""
    return _said_of(error, "constraint_name")


def _said_of(error: BaseException, *names: str) -> str:
    """Return the first of these fields that a driver's error, or its cause, has."""
    seen: BaseException | None = error
    for _ in range(5):
        if seen is None:
            break
        value = next(filter(None, (getattr(seen, name, None) for name in names)), None)
        if isinstance(value, str):
            return value
        seen = getattr(seen, "orig", None) or seen.__cause__
    return ""


def is_transient(error: BaseException) -> bool:
    """Tell whether the same call may work on another connection, or a little later."""
    state = state_of(error)
    if state:
        return (state.startswith(LOST) or state in CONFLICTS) and state not in POOLED
    # The driver has no class of its own for a connection that it found closed.
    return isinstance(
        error, OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError
    ) and not (isinstance(error, asyncpg.DataError | ValueError))


def is_slow(error: BaseException) -> bool:
    """Tell whether a statement was begun and took too long, for its client or by a bound of the server's."""
    is_timeout = isinstance(error, SlowStatement) or isinstance(error.__cause__, SlowStatement)
    return is_timeout or state_of(error) in SLOW


def is_lost(error: BaseException) -> bool:
    """Tell whether a server that had been reached is away: a statement may have waited for it."""
    return state_of(error).startswith(LOST)


def fault_of_query(error: Exception) -> str:
    """Say what is wrong with a user's query, whatever the state says; empty: it isn't at fault."""
    if state_of(error).startswith(NOT_ITS_FAULT):
        return ""
    timed_out = isinstance(error, asyncpg.QueryCanceledError) and "timeout" in str(error)
    return TOO_LONG if timed_out else said(error)


def is_refusal(error: BaseException) -> bool:
    """Tell whether the database refused a row, or a function that it calls for a row failed."""
    return is_meant(error) or bool(_failed_in(error))


def is_meant(error: BaseException) -> bool:
    """Tell whether a rule refused a row; else what failed may fail for every row."""
    is_rule = state_of(error).startswith(REFUSALS) or _said_of(error, "server_source_function") in RULES
    return is_rule or isinstance(error, asyncpg.DataError)


def _failed_in(error: BaseException) -> str:
    """Return the place in a function where a statement failed; empty: in the statement itself."""
    state = state_of(error)
    if is_transient(error) or state in POOLED or state == CANCELLED:
        return ""
    outermost = (_said_of(error, "context").splitlines() or [""])[-1]
    return outermost[:200]


def translated(error: BaseException, store: str, *, hint: str = "") -> Sp00kyError:
    """Return the project's error for what a driver raised.

    Args:
        error: the driver's.
        store: the store's URL without secrets.
        hint: what to add to its text, where more is known than the error says.
    """
    if isinstance(error, Sp00kyError):
        return error
    kind, usual_hint = _kind_of(error)
    return kind(store=store, problem=f"{said(error, store)}{hint or usual_hint}")


def _kind_of(error: BaseException) -> tuple[type[StoreError], str]:
    """Return which error it becomes, and what to add to its text."""
    state = state_of(error)
    if is_refusal(error):
        return RowRefused, "" if is_meant(error) else f" ({_failed_in(error)})"
    if state in MISSING:
        return SchemaError, f"; {MIGRATE}"
    if state == NO_RIGHT:
        return SchemaError, f": {GRANT}"
    if state in POOLED:
        return StoreError, ": behind a pooler in transaction mode, add ?pgbouncer=1 to the store's URL"
    kind = StoreUnavailable if is_transient(error) else StoreError
    return kind, f": {READ_ONLY}" if state == NO_WRITES else ""


def said(error: BaseException, store: str = "") -> str:
    """Return a driver's words in one line, without secrets."""
    if isinstance(error, TimeoutError | asyncio.TimeoutError) and not str(error):
        return "the database doesn't answer in time"
    text = str(error) or type(error).__name__
    # Drivers may quote the values of a row, or a whole DSN, in the lines after the first.
    line = text.strip().splitlines()[0][:500]
    line = re.sub(r"(?i)(password=)\S+", r"\1***", line)
    line = re.sub(r"(\w+://[^\s:/@]*):[^\s@]*@", r"\1:***@", line)
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return f"can't connect to {urlsplit(store).netloc or 'the socket'}: {line}"
    return line
