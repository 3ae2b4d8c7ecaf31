"""Bring the tables to what the installed store needs, through the store's own numbered migrations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from django.db import connections, transaction

from sp00ky_core import MigrationStep, Outbox, Store
from sp00ky_core.ports import SynchronousMigrate
from sp00ky_django.app_settings import AppSettings
from sp00ky_django.store_url import derived_store_url

__all__ = ["bring_up_to_date", "lacking"]


def lacking(app: AppSettings) -> Sequence[MigrationStep]:
    """List the statements that the database lacks. Raises ``StoreError``."""
    store = _store(app)
    if isinstance(store, SynchronousMigrate):
        return _migrate_in(store, app, only_plan=True)
    return asyncio.run(store.migration())


def bring_up_to_date(app: AppSettings) -> Sequence[MigrationStep]:
    """Run the statements that the database lacks, and return them. Raises ``StoreError``.

    On PostgreSQL on a connection of the store's own, which locks other processes' migrations out and makes
    indexes without holding up who writes; on SQLite on Django's, for a database in memory has no other.
    """
    store = _store(app)
    if isinstance(store, SynchronousMigrate):
        return _migrate_in(store, app, only_plan=False)
    return asyncio.run(store.migrate())


def _store(app: AppSettings) -> Store:
    return Outbox.open(app.config, store=derived_store_url(app)).store


def _migrate_in(store: SynchronousMigrate, app: AppSettings, *, only_plan: bool) -> Sequence[MigrationStep]:
    with transaction.atomic(using=app.database):
        return store.migrate_in(connections[app.database], only_plan=only_plan)
