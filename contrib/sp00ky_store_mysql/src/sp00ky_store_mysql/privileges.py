"""Find what a user lacks of the privileges that a use needs, by asking for the plans of statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sp00ky_core.ports import Finding, Use
from sp00ky_store_mysql.errors import is_denied

__all__ = ["ROWS", "lacking", "quoted"]

PROBES = {
    "SELECT": "SELECT 1 FROM {}",
    "INSERT": "INSERT INTO {} VALUES ()",
    "UPDATE": "UPDATE {} SET id = NULL WHERE FALSE",
    "DELETE": "DELETE FROM {} WHERE FALSE",
}
"""A statement that needs the right and no other one; whether there is a column ``id`` is asked later."""

ROWS = tuple(PROBES)
"""What may be done to the rows of a table."""


def quoted(name: str) -> str:
    """Quote a name."""
    return "`{}`".format(name.replace("`", "``"))


async def lacking(
    session: Any, rights: Mapping[Use, Mapping[str, Sequence[str]]], qualified: Callable[[str], str]
) -> Mapping[Use, list[Finding]]:
    """Find what a session's user lacks of the rights that each use needs.

    Args:
        session: Whose user it is.
        rights: What each use needs to do, by the tables' names.
        qualified: Makes SQL of a table's name.
    """
    ((user,),), _ = await session.execute("SELECT current_user()")
    grantee = "@".join(map(quoted, user.rsplit("@", 1)))
    wanted = {(name, right) for some in rights.values() for name, each in some.items() for right in each}
    lacked = {(name, right) for name, right in wanted if await _is_denied(session, right, qualified(name))}
    findings: dict[Use, list[Finding]] = {use: [] for use in rights}
    for use, some in rights.items():
        for name, each in some.items():
            if here := ", ".join(right for right in each if (name, right) in lacked):
                problem, fix = (
                    f"user {user} may not {here}",
                    f"GRANT {here} ON {qualified(name)} TO {grantee}",
                )
                findings[use].append(Finding.stopping(name, problem, "enqueueing or running fails", fix))
    return findings


async def _is_denied(session: Any, right: str, table: str) -> bool:
    try:
        await session.execute(f"EXPLAIN {PROBES[right].format(table)}")
    except Exception as error:  # noqa: BLE001  # also that the transaction only reads, said to who may write
        return is_denied(error)
    return False
