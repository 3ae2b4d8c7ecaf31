"""Name the adapter, the call and what is expected of it, where a store's own primitives are wrong."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from importlib.metadata import entry_points
from types import FrameType, UnionType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

import attrs

from sp00ky_core.error_texts import shown
from sp00ky_core.errors import AdapterMistake
from sp00ky_core.stores.transactional import schema
from sp00ky_core.stores.transactional.connection.session import Access, Session, Work

__all__ = ["mistake_in"]

KIT = __name__.rpartition(".")[0].rpartition(".")[0]
TRANSPARENT = (f"{KIT}.connection.",)
"""Modules that stand between a primitive and what it does: they do no work of their own."""

BUILT_IN = (TypeError, ValueError, AttributeError, LookupError, AssertionError, NotImplementedError)
"""Errors that follow from an unexpected result."""


async def mistake_in(
    run: Callable[[Work[Any], Access], Coroutine[Any, Any, Any]],
    work: Work[Any] | None,
    access: Access,
    error: Exception,
) -> AdapterMistake | None:
    """Find the primitive whose mistake an error is; None: it is the work's own.

    Where no primitive has raised it the work is done again, and undone, while each result is looked at; None
    can't be: it was done on a caller's connection.
    """
    if (store := getattr(run, "__self__", None)) is None:
        return None
    if not inspect.iscoroutinefunction(run):
        return _mistake(store, store, "run", "isn't `async`")
    if (raised := _raised_in(error, store)) is not None:
        return _mistake(store, *raised)
    found: list[AdapterMistake] = []
    if work is not None and isinstance(error, BUILT_IN):

        async def looked_at(session: Session) -> NoReturn:
            await work(_LookedAt(session, store, found))  # type: ignore[arg-type]  # it has its calls
            raise _UndoneError

        with suppress(Exception):
            await run(looked_at, access)
    return next(iter(found), None)


class _UndoneError(Exception):
    """Nothing of it is to be committed."""


@attrs.define
class _LookedAt:
    """A session each of whose results is looked at."""

    _session: Session
    _store: object
    _found: list[AdapterMistake]

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._session, name)
        if not inspect.iscoroutinefunction(vars(Session).get(name)):
            return call

        async def looked_at(*given: Any, **named: Any) -> Any:
            result = call(*given, **named)
            if not inspect.isawaitable(result):
                self._note(name, "isn't `async`")
            result = await result
            promised = getattr(Session, name)
            hints = get_type_hints(promised, localns=vars(schema))
            if not isinstance(result, tuple(_kinds(hints["return"]))):
                self._note(name, f"returned {shown(result)}, not {promised.__annotations__['return']}")
            return result

        return looked_at

    def _note(self, name: str, problem: str) -> None:
        self._found.append(_mistake(self._store, self._session, name, problem))


def _kinds(hint: Any) -> Iterator[type]:
    """List the classes that an annotation stands for."""
    if hint is Any:
        yield object
    elif isinstance(hint, UnionType):
        for part in get_args(hint):
            yield from _kinds(part)
    else:
        yield get_origin(hint) or hint


def _raised_in(error: Exception, store: object) -> tuple[object, str, str] | None:
    """Return whose call has raised an error, and how; None: the work, or no call of the adapter's, has."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        owner, code = frame.f_locals.get("self"), frame.f_code
        if owner is store or isinstance(owner, Session):
            where = f"{code.co_filename.rpartition('/')[2]}:{line}"
            raised = f"raised {type(error).__name__}: {error} ({where})"
            return owner, code.co_name, f"{raised}, which translate() leaves as it is"
        if _is_work(frame):
            return None
    return None


def _is_work(frame: FrameType) -> bool:
    module = frame.f_globals.get("__name__", "")
    return module.startswith("sp00ky_core.") and not module.startswith(TRANSPARENT)


def _mistake(store: object, owner: object, name: str, problem: str) -> AdapterMistake:
    """Say what is wrong with a call, and what is expected of it."""
    promised = next((vars(base)[name] for base in reversed(type(owner).__mro__) if name in vars(base)), None)
    expected = (inspect.getdoc(promised) or "").partition("\n")[0].rstrip(".").replace("``", "`")
    module = type(store).__module__.partition(".")[0]
    points = entry_points(group="sp00ky")
    names = [point.dist.name for point in points if point.dist and point.module.partition(".")[0] == module]
    return AdapterMistake(
        store=getattr(store, "location", module),
        distribution=next(iter(names), module),
        call=f"{type(owner).__name__}.{name}()",
        problem=problem,
        expected=expected,
    )
