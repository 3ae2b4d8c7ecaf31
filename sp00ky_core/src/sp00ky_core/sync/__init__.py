"""Enqueue from synchronous code: Django, Flask, scripts."""

from sp00ky_core.sync.outbox import SyncOutbox

__all__ = ["SyncOutbox"]
