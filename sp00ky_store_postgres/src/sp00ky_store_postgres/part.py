"""Give the parts of the store what all of them stand on: its connections, its tables, its signals."""

from __future__ import annotations

from sp00ky_core.stores.isolation import Quarantine
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.observe.notifications import Listener


class StorePart:
    """A base of ``PostgresStore`` that answers some calls of the port; it is made by the store alone."""

    _executor: Executor
    _notifications: Listener
    _refused: Quarantine
