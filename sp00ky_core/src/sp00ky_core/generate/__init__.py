"""Generate a typed module from OpenAPI documents; what such a module stands on is here."""

from sp00ky_core.generate.calls import Calls, JobOf, Result, SyncCalls, TypedCalls, check_documents

__all__ = ["Calls", "JobOf", "Result", "SyncCalls", "TypedCalls", "check_documents"]
