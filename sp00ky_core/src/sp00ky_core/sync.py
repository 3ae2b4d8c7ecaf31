"""Enqueue from synchronous code: Django, Flask, scripts."""

from sp00ky_core.outbox.sync_outbox import SyncOutbox

__all__ = ["SyncOutbox"]
