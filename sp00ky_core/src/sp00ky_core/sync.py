"""Enqueue from synchronous code: Django, Flask, scripts."""

from sp00ky_core.outbox.blocking import SyncOutbox

__all__ = ["SyncOutbox"]
