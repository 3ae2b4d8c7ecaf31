"""Derive a store for any database with transactions: see ``docs/adapters.md``."""

from sp00ky_core.stores.transactional.connection.blocking import BlockingLane, BlockingSession, WriterGate
from sp00ky_core.stores.transactional.connection.lane import AsyncLane, AsyncSession
from sp00ky_core.stores.transactional.connection.session import (
    Access,
    Both,
    Either,
    Is,
    Row,
    Session,
    Where,
    Work,
)
from sp00ky_core.stores.transactional.connection.sql import Reply, SqlSession
from sp00ky_core.stores.transactional.schema.definition import Column, Default, Index, Kind, Table
from sp00ky_core.stores.transactional.store import TransactionalStore

__all__ = [
    "TransactionalStore",
    "Session",
    "SqlSession",
    "Reply",
    "BlockingSession",
    "BlockingLane",
    "WriterGate",
    "AsyncSession",
    "AsyncLane",
    "Access",
    "Work",
    "Table",
    "Column",
    "Index",
    "Kind",
    "Default",
    "Where",
    "Is",
    "Either",
    "Both",
    "Row",
]
