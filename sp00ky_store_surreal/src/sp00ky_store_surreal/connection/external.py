"""Enqueue within a caller's transaction: the SDK's client transactions, on a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surrealdb import AsyncSurrealTransaction
from surrealdb.errors import SurrealError

from sp00ky_core.errors import OptionInvalid
from sp00ky_store_surreal.errors import statement_error, translated
from sp00ky_store_surreal.url import Target

EXPECTED = (
    "a transaction of the SurrealDB SDK (await session.begin_transaction()) that is open; "
    "or put outbox.statement(...) into your own BEGIN ... COMMIT"
)
GONE = "Transaction not found"
"""What a server says of a transaction that was committed or cancelled."""

EMBEDDED = "nothing: an embedded database has no client transactions; see outbox.statement(...)"


class Transaction:
    """Sends single statements within a transaction of the caller's.

    Raises:
        OptionInvalid: the connection is no such transaction.
    """

    def __init__(self, connection: object, target: Target) -> None:
        if target.embedded or not isinstance(connection, AsyncSurrealTransaction):
            kind = f"{type(connection).__module__}.{type(connection).__qualname__}"
            expected = EMBEDDED if target.embedded else EXPECTED
            raise _unfit(f"of type {kind}", expected)
        self._sdk = connection
        self._target = target

    async def query(self, statement: str, bindings: Mapping[str, Any]) -> Any:
        """Send a statement; return its result. Raises as a statement of the store's own does."""
        location = self._target.location
        try:
            reply = await self._sdk.query(statement, dict(bindings))
        except SurrealError as error:
            if str(error) == GONE:
                raise _unfit("a transaction that has ended", EXPECTED) from error
            refusal = statement_error(location, [{"status": "ERR", "result": str(error)}])
            raise refusal or translated(location, error) from error
        except Exception as error:
            raise translated(location, error) from error
        # The SDK's second version gives the first statement's result, its third a list of all of them.
        return reply[-1] if isinstance(reply, list) and reply else reply

    def elsewhere(self, place: object) -> OptionInvalid:
        """Refuse one in another namespace or database, whose jobs no runner here would run."""
        names = f"{self._target.namespace}/{self._target.database}"
        return _unfit(f"in {place}", f"one in {names}, where the jobs are")


def _unfit(value: str, expected: str) -> OptionInvalid:
    return OptionInvalid(option="connection", value=value[:80], expected=expected)
