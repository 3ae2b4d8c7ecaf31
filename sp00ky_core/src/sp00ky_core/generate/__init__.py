"""Generate a typed module from OpenAPI documents; what such a module stands on is here."""

from sp00ky_core.generate.calls import Calls, JobOf, Result, SyncCalls, TypedCalls, check_documents
from sp00ky_core.generate.payload_types import (
    ExplicitBody,
    ExplicitCookie,
    ExplicitHeader,
    ExplicitPath,
    ExplicitQuery,
    FormFile,
    NoPayload,
)

__all__ = [
    "Calls",
    "ExplicitBody",
    "ExplicitCookie",
    "ExplicitHeader",
    "ExplicitPath",
    "ExplicitQuery",
    "FormFile",
    "JobOf",
    "NoPayload",
    "Result",
    "SyncCalls",
    "TypedCalls",
    "check_documents",
]
