"""Hold what a module of ``sp00ky generate`` stands on: its calls, their types, the check of its documents."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NotRequired, TypeAlias, TypedDict, TypeVar, cast, get_args

from sp00ky_core.errors import ModuleOutdated, OptionInvalid
from sp00ky_core.job.job import Job
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.sync import SyncOutbox

__all__ = ["Calls", "ExplicitBody", "ExplicitCookie", "ExplicitHeader", "ExplicitPath", "ExplicitQuery"]
__all__ += ["FormFile", "JobOf", "NoPayload", "Result", "SyncCalls", "TypedCalls", "check_documents"]

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
    for name, digest in documents.items():
        backend = outbox.backends.named(name)
        if backend.contract.document.digest != digest:
            document = backend.config.spec or backend.config.base_url
            raise ModuleOutdated(module=Path(module).name, document=str(document))


_Part: TypeAlias = Mapping[str, Any]

FormFile = TypedDict(
    "FormFile", {"$file": str, "filename": NotRequired[str], "contentType": NotRequired[str]}
)
"""A file in a form: its bytes as base64, its name and its media type."""


class NoPayload(TypedDict):
    """The payload of an operation that has neither parameters nor a body."""


_Path = TypedDict("_Path", {"$path": _Part})
_Query = TypedDict("_Query", {"$query": _Part})
_Header = TypedDict("_Header", {"$header": _Part})
_Cookie = TypedDict("_Cookie", {"$cookie": _Part})
_Body = TypedDict("_Body", {"$body": Any, "$contentType": NotRequired[str]})
_MayPath = TypedDict("_MayPath", {"$path": _Part}, total=False)
_MayQuery = TypedDict("_MayQuery", {"$query": _Part}, total=False)
_MayHeader = TypedDict("_MayHeader", {"$header": _Part}, total=False)
_MayCookie = TypedDict("_MayCookie", {"$cookie": _Part}, total=False)
_MayBody = TypedDict("_MayBody", {"$body": Any, "$contentType": str}, total=False)

# The explicit form, with one part that is there: else {} was one, and no field of a flat form was missed.


class ExplicitPath(_Path, _MayQuery, _MayHeader, _MayCookie, _MayBody):
    """The explicit form of a payload that has parameters in the path."""


class ExplicitQuery(_MayPath, _Query, _MayHeader, _MayCookie, _MayBody):
    """The explicit form of a payload that has query parameters."""


class ExplicitHeader(_MayPath, _MayQuery, _Header, _MayCookie, _MayBody):
    """The explicit form of a payload that has header parameters."""


class ExplicitCookie(_MayPath, _MayQuery, _MayHeader, _Cookie, _MayBody):
    """The explicit form of a payload that has cookie parameters."""


class ExplicitBody(_MayPath, _MayQuery, _MayHeader, _MayCookie, _Body):
    """The explicit form of a payload that has a body."""
