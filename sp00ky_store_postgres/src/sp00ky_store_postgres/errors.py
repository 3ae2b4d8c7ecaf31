"""What the drivers raise, as the project's errors: the cause is chained by the caller, no secret is told."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import parse_qs, urlsplit

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.errors import RowRefused, SchemaError, Sp00kyError, StoreError, StoreUnavailable, nearest

__all__ = [
    "translated",
    "is_transient",
    "is_lost",
    "is_refusal",
    "is_meant",
    "is_right",
    "state_of",
    "constraint_of",
    "MIGRATE",
    "READ_ONLY",
]

MIGRATE = "run: sp00ky migrate"

READ_ONLY = (
    "it takes no writes: it is a standby, or default_transaction_read_only is on. Connect to the primary; "
    "with several hosts in the URL add target_session_attrs=read-write"
)

LOST = ("08", "57P", "53", "25006")
"""States of a server that is away, ending, full, or not the primary any more."""
CONFLICTS = frozenset({"40001", "40P01", "55P03"})
"""A serialization failure, a deadlock, a lock timeout: the same call may work at once."""
REFUSALS = ("22", "23", "P0", "54", "44")
"""Values that can't be, constraints, a trigger's RAISE or ASSERT, limits, a view's check."""
RULES = frozenset({"exec_stmt_raise", "ExecWithCheckOptions"})
"""Where the server raises what a RAISE with any state, or a policy of row-level security, refuses."""
CANCELLED = "57014"
MISSING = frozenset({"42P01", "42703", "3F000", "42883", "42704", "42P10", "42804"})
"""A table, a column, a schema, a function, a type, an index for ON CONFLICT, or another column type."""
DOORS = frozenset({"28P01", "28000", "3D000"})
"""A wrong password, a role that may not log in, a database that isn't there."""
NO_RIGHT = "42501"
NO_WRITES = "25006"
UNKNOWN_PARAMETER = "42704"
PARAMETERS = frozenset({UNKNOWN_PARAMETER, "22023", "55P02"})
"""A setting that there is none of, that can't have the value, or can't be set when connecting."""
FILES = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile", "service", "host"})
"""Keys of the URL that name files."""
OUR_KEYS = ("schema", "listen_url", "notify", "pgbouncer", "statement_cache_size", "connections")
DRIVERS_KEYS = (
    *("host", "port", "user", "password", "passfile", "dbname", "database", "service", "application_name"),
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs", "krbsrvname", "gsslib"),
)
POOLED = frozenset({"26000", "42P05", "08P01"})
"""A prepared statement that isn't there, or is there already; settings at the start that are refused."""


def state_of(error: BaseException) -> str:
    """The SQLSTATE that a driver's error, or its cause, carries; empty where there is none."""
    return _said_of(error, "sqlstate", "pgcode")


def constraint_of(error: BaseException) -> str:
    """The constraint, or the unique index, that a driver's error names; empty where it names none."""
    return _said_of(error, "constraint_name")


def _said_of(error: BaseException, *names: str) -> str:
    """The first of these fields that a driver's error, or its cause, has."""
    seen: BaseException | None = error
    for _ in range(5):
        if seen is None:
            break
        found = next(filter(None, (getattr(seen, name, None) for name in names)), None)
        if isinstance(found, str):
            return found
        seen = getattr(seen, "orig", None) or seen.__cause__
    return ""


def is_transient(error: BaseException) -> bool:
    """Whether the same call may work on another connection, or a little later."""
    state = state_of(error)
    if state:
        return (state.startswith(LOST) or state in CONFLICTS) and state not in POOLED
    # The driver has no class of its own for a connection that it found closed.
    return isinstance(
        error, OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError
    ) and not (isinstance(error, asyncpg.DataError | ValueError))


def is_lost(error: BaseException) -> bool:
    """Whether a server that had been reached is away: a statement may have waited for it."""
    return state_of(error).startswith(LOST)


def is_refusal(error: BaseException) -> bool:
    """Whether the database refused what was to be written, or a function that it calls for a row failed."""
    return is_meant(error) or bool(_failed_in(error))


def is_meant(error: BaseException) -> bool:
    """Whether a rule refused a row; else what failed may fail for every row."""
    is_rule = state_of(error).startswith(REFUSALS) or _said_of(error, "server_source_function") in RULES
    return is_rule or isinstance(error, asyncpg.DataError)


def _failed_in(error: BaseException) -> str:
    """The place, in a function that a statement called, where it failed; empty: in the statement itself."""
    state = state_of(error)
    if is_transient(error) or state in POOLED or state == CANCELLED:
        return ""
    outermost = (_said_of(error, "context").splitlines() or [""])[-1]
    return "" if "inline_code_block" in outermost else outermost[:200]  # that one is ours


def is_right(error: BaseException) -> bool:
    """Whether the role may not do what was asked for."""
    return state_of(error) == NO_RIGHT


def translated(error: BaseException, store: str, *, hint: str = "") -> Sp00kyError:
    """The project's error for what a driver raised.

    Args:
        error: the driver's.
        store: the store's URL without secrets.
        hint: what to add to its text, where more is known than the error says.
    """
    if isinstance(error, Sp00kyError):
        return error
    kind, usual_hint = _kind_of(error, store)
    return kind(store=store, problem=f"{_said(error, store)}{hint or usual_hint}")


def _kind_of(error: BaseException, store: str) -> tuple[type[StoreError], str]:
    """Which error it becomes, and what to add to its text."""
    state = state_of(error)
    if state in PARAMETERS and (key := _parameter(error, store)):
        unknown = f"; {key} stands in the store's URL, {_meant(key)}"
        return StoreError, unknown if state == UNKNOWN_PARAMETER else ""
    if is_refusal(error):
        return RowRefused, "" if is_meant(error) else f" ({_failed_in(error)})"
    if state in MISSING:
        return SchemaError, f"; {MIGRATE}"
    if state == NO_RIGHT:
        return SchemaError, ": grant this role the right, or connect as the tables' owner"
    if state in POOLED:
        return StoreError, ": behind a pooler in transaction mode, add ?pgbouncer=1 to the store's URL"
    return (
        StoreUnavailable if is_transient(error) else StoreError
    ), f": {READ_ONLY}" if state == NO_WRITES else ""


def _parameter(error: BaseException, store: str) -> str | None:
    """The key of the URL's query that the error names."""
    keys = parse_qs(urlsplit(store).query, keep_blank_values=True)
    return next((name for name in re.findall(r'"([^"]+)"', str(error)) if name in keys), None)


def _meant(key: str) -> str:
    """The key that is nearly this one; where there is none, ours, which the driver's documents don't know."""
    near = nearest(key, (*OUR_KEYS, *DRIVERS_KEYS))
    return near if near.startswith("did you mean") else nearest(key, OUR_KEYS)


def _said(error: BaseException, store: str) -> str:
    if isinstance(error, TimeoutError | asyncio.TimeoutError) and not str(error):
        return "the database doesn't answer in time"
    text = str(error) or type(error).__name__
    # Drivers may quote the values of a row, or a whole DSN, in the lines after the first.
    line = text.strip().splitlines()[0][:500]
    line = re.sub(r"(?i)(password=)\S+", r"\1***", line)
    line = re.sub(r"(\w+://[^\s:/@]*):[^\s@]*@", r"\1:***@", line)
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return f"can't connect to {urlsplit(store).netloc or 'the socket'}: {line}{_files(error, store)}"
    return line


def _files(error: OSError, store: str) -> str:
    """The keys of the URL that may name the file that isn't there: the driver doesn't say."""
    keys = FILES & parse_qs(urlsplit(store).query).keys() if isinstance(error, FileNotFoundError) else ()
    return f" (what {' or '.join(sorted(keys))} of the URL names)" if keys else ""
