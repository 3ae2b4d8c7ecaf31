"""Say what was promised where a test of the suite fails, and where the promise stands."""

from __future__ import annotations

import inspect
import re
import sys

from sp00ky_conformance.store.harness import StoreHarness
from sp00ky_core.ports import FLAGS, Store

__all__ = ["TITLE", "promise_of"]

TITLE = "what was promised"


def promise_of(cls: type[object] | None, test: str) -> str | None:
    """Describe the promise that a test asserts; None: it is no test of the suite.

    Args:
        cls: The class that the test was collected from.
        test: Its name.
    """
    if cls is None or not issubclass(cls, StoreHarness):
        return None
    suite = next((base for base in cls.__mro__ if test in vars(base) and base is not cls), None)
    if suite is None or vars(suite)[test] is None:
        return None
    sentence = test.removeprefix("test_").replace("_", " ")
    subject = f"{inspect.getdoc(suite) or suite.__name__} In particular: {sentence}."
    return "\n".join([subject, f"asserted in {_place(vars(suite)[test])}", *_calls(suite)])


def _calls(suite: type[object]) -> list[str]:
    """List the calls of the ports that the test's module names, each with its first line."""
    named = re.findall(r"``(\w+)``", sys.modules[suite.__module__].__doc__ or "")
    ports: tuple[type, ...] = (Store, *FLAGS)
    calls = [
        (f"{port.__name__}.{name}", vars(port).get(name)) for name in dict.fromkeys(named) for port in ports
    ]
    return [
        f"{name} ({_place(call)}): {(inspect.getdoc(call) or '').splitlines()[0]}"
        for name, call in calls
        if inspect.isfunction(call)
    ]


def _place(function: object) -> str:
    code = inspect.unwrap(function).__code__  # type: ignore[arg-type]  # a plain function
    return f"{code.co_filename}:{code.co_firstlineno}"
