"""Hand a transaction's connection to the application behind a middleware."""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["Delivery", "KEY"]

KEY = "sp00ky_receiver"
"""Where it is: in ASGI's scope, or WSGI's environ."""


@attrs.frozen(kw_only=True, eq=False)
class Delivery:
    """Give a handler what it needs to do a call.

    Attributes:
        key: The call's, of an outbox the job's id.
        connection: In the transaction in which the handler is to work.
    """

    key: str
    connection: Any
