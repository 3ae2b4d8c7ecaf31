"""Derive a store for any database with transactions: see ``docs/adapters.md``."""

from sp00ky_store_kit.connection.lanes import (
    AsyncLane,
    AsyncSession,
    BlockingLane,
    InLanes,
    WriterGate,
)
from sp00ky_store_kit.connection.session import (
    Access,
    Both,
    Either,
    Is,
    ReadOptions,
    Row,
    Session,
    Where,
    Work,
    in_order,
    met,
)
from sp00ky_store_kit.connection.sql import BlockingSession, Reply, SqlSession
from sp00ky_store_kit.schema import Column, Default, Index, Kind, Table
from sp00ky_store_kit.store import TransactionalStore

__all__ = ["Access", "AsyncLane", "AsyncSession", "BlockingLane", "BlockingSession", "Both", "Column"]
__all__ += ["Default", "Either", "InLanes", "Index", "Is", "Kind", "ReadOptions", "Reply", "Row"]
__all__ += ["Session", "SqlSession", "Table", "TransactionalStore", "Where", "Work", "WriterGate"]
__all__ += ["in_order", "met"]
