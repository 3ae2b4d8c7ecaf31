"""Tell what a driver's error means by its code, which is the same in every driver."""

from __future__ import annotations

from sp00ky_core.errors import RowRefused, SchemaError, Sp00kyError, StoreError, StoreUnavailable

__all__ = ["READ_ONLY", "is_conflict", "is_denied", "is_full", "is_read_only", "translated"]

REFUSED = frozenset(
    {1048, 1062, 1153, 1264, 1265, 1292, 1364, 1366, 1406, 1451, 1452, 1644, 3140, 3819, 4025}
)
"""Numbers of errors by which a row is refused: a value that can't be, or is too long, a constraint, a
SIGNAL."""


NO_RIGHT = 1142

READ_ONLY = "the server is read-only, as a replica is"

OUTAGES = {
    1047: "the node takes no work, as it is out of its cluster's quorum or still joins it",
    1290: READ_ONLY,
    1836: READ_ONLY,
}
"""What is said instead of the server's words; Galera's for 1047 are "WSREP has not yet prepared node"."""


def code_of(error: BaseException) -> int:
    """Return the server's code of a driver's error, or of its cause; 0: it has none."""
    for each in (error, error.__cause__):
        if each is not None and each.args and isinstance(each.args[0], int):
            return each.args[0]
    return 0


def is_conflict(error: BaseException) -> bool:
    """Whether the same transaction may work at once: a deadlock, or what others have changed since it began.

    That is a row (1020), or a table that a migration has made or altered (1412).
    """
    return code_of(error) in {1213, 1020, 1412}


def is_read_only(error: BaseException) -> bool:
    """Whether the server takes no writes: it is a replica, or is being replaced."""
    return OUTAGES.get(code_of(error)) == READ_ONLY


def is_denied(error: BaseException) -> bool:
    """Whether a user lacks a right on a table."""
    return code_of(error) == NO_RIGHT


def is_full(error: BaseException) -> bool:
    """Whether the server takes no more connections, of anybody or of this user."""
    return code_of(error) in {1040, 1203, 1226}


def translated(error: Exception, store: str) -> Exception:
    """Return the project's error for what a driver has raised.

    Args:
        error: What was raised.
        store: The store's URL without secrets.
    """
    if isinstance(error, Sp00kyError):
        return error
    code, names = code_of(error), {each.__name__ for each in type(error).__mro__}
    unsaid = "there is no answer" if isinstance(error, TimeoutError) else repr(error)
    said = str(error.args[-1] if error.args else "") or unsaid
    problem = OUTAGES.get(code, said.splitlines()[0][:500])
    if code in REFUSED or isinstance(error, UnicodeEncodeError) or "IntegrityError" in names:
        return RowRefused(store=store, problem=problem)
    if code in {1146, 1054}:  # a table, a column
        return SchemaError(store=store, problem=f"{problem}; run: sp00ky migrate")
    if isinstance(error, OSError) or not names.isdisjoint({"OperationalError", "InterfaceError"}):
        return StoreUnavailable(store=store, problem=problem)
    return StoreError(store=store, problem=problem) if "MySQLError" in names else error
