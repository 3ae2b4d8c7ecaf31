"""Make the calls of a generated module, and refuse one that is older than its documents."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, get_args

from sp00ky_core.backend.backend import Backends
from sp00ky_core.errors import ModuleOutdated, OptionInvalid
from sp00ky_core.job.job import Job
from sp00ky_core.outbox.blocking import SyncOutbox
from sp00ky_core.outbox.outbox import Outbox

__all__ = ["Calls", "JobOf", "Result", "SyncCalls", "TypedCalls", "check_documents"]

AnyOutbox = TypeVar("AnyOutbox", Outbox, SyncOutbox)
Result = TypeVar("Result")
"""What a job's backend answers with."""

if TYPE_CHECKING:

    class JobOf(Job, Generic[Result]):
        """A job whose result has a type; at run time it is a ``Job``."""

        @property
        def result(self) -> Result | None:
            """The backend's answer, parsed; None where there is none yet, or it was no JSON or too long."""

else:
    JobOf = Job


class Calls:
    """Enqueue calls of one backend; a generated class adds a method for each route."""

    def __init__(self, outbox: Outbox, backend: str) -> None:
        self._outbox = outbox
        self._backend = backend

    async def _run(
        self, path: str, payload: Mapping[str, Any] | None, options: Mapping[str, Any]
    ) -> JobOf[Any]:
        return cast("JobOf[Any]", await self._outbox.run(self._backend, path, payload, **options))


class SyncCalls:
    """Enqueue calls of one backend from synchronous code; a generated class adds a method for each route."""

    def __init__(self, outbox: SyncOutbox, backend: str) -> None:
        self._outbox = outbox
        self._backend = backend

    def _run(self, path: str, payload: Mapping[str, Any] | None, options: Mapping[str, Any]) -> JobOf[Any]:
        return cast("JobOf[Any]", self._outbox.run(self._backend, path, payload, **options))


class TypedCalls(Generic[AnyOutbox]):
    """Enqueue calls of all backends; a generated class adds each backend, and the overloads of ``run``.

    Attributes:
        outbox: The outbox that it enqueues into; everything else is asked of that.
    """

    def __init__(self, outbox: AnyOutbox) -> None:
        """Take the outbox. Raises ``OptionInvalid`` for one of the other kind."""
        _refuse_other(outbox, type(self))
        self.outbox: AnyOutbox = outbox


def _refuse_other(outbox: object, typed: type) -> None:
    """Refuse the other kind of outbox; what only behaves as one, in a test, passes."""
    kinds = {kind for base in getattr(typed, "__orig_bases__", ()) for kind in get_args(base)}
    for expected, other in ((Outbox, SyncOutbox), (SyncOutbox, Outbox)):
        if expected in kinds and isinstance(outbox, other):
            option, value = f"Typed{expected.__name__}'s outbox", f"of type {type(outbox).__name__}"
            instead = f"{expected.__name__}; with this one use Typed{other.__name__}"
            raise OptionInvalid(option=option, value=value, expected=instead)


def check_documents(outbox: Outbox, module: str, documents: Mapping[str, str]) -> None:
    """Compare the digests of the documents that a module was made of with those that an outbox has read.

    Raises:
        ModuleOutdated: one differs; names it.
        UnknownBackend: the configuration has no such backend any more.
    """
    outdated = changed_document(outbox.backends, documents)
    if outdated is not None:
        raise ModuleOutdated(module=Path(module).name, document=str(outdated))


def changed_document(backends: Backends, documents: Mapping[str, str]) -> Path | str | None:
    """Return the first document whose digest isn't the given one; by backend. Raises ``UnknownBackend``."""
    for name, digest in documents.items():
        backend = backends.named(name)
        if backend.contract.digest != digest:
            return backend.config.spec or backend.config.base_url
    return None
