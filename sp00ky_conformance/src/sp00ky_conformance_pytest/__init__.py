"""Say with each failure of the store suite what was promised, and which of its tests an adapter leaves out.

pytest loads this plugin; it imports no suite, and changes no run that has none.
"""

from __future__ import annotations

import sys
from collections.abc import Generator

import pytest

__all__ = ["pytest_collection_modifyitems", "pytest_report_collectionfinish", "pytest_runtest_makereport"]

pytest.register_assert_rewrite("sp00ky_conformance")

LEFT_OUT = pytest.StashKey[dict[tuple[str, str], int]]()
"""How many tests of a class aren't collected, by the class and the method that it doesn't override."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests that need a method which the adapter's class doesn't override."""
    left_out = config.stash[LEFT_OUT] = {}
    if not _has_suite():
        return
    from sp00ky_conformance.store.harness import lacks  # noqa: PLC0415  # only where there is a suite

    dropped = []
    for item in items:
        cls: type[object] | None = getattr(item, "cls", None)
        method = lacks(cls, getattr(item, "function", None))
        if cls is not None and method is not None:
            dropped.append(item)
            left_out[cls.__name__, method] = left_out.get((cls.__name__, method), 0) + 1
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Name the methods, and what they would bring."""
    left_out = config.stash.get(LEFT_OUT, {})
    return [
        f"{cls} doesn't override {method}(): {count} tests need it"
        for (cls, method), count in left_out.items()
    ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure of the store suite what was promised, and where."""
    report = yield
    if report.failed and call.when == "call" and _has_suite():
        from sp00ky_conformance.store.promises import TITLE, promise_of  # noqa: PLC0415

        promise = promise_of(getattr(item, "cls", None), getattr(item, "originalname", item.name))
        if promise is not None:
            report.sections.append((TITLE, promise))
    return report


def _has_suite() -> bool:
    return "sp00ky_conformance.store.harness" in sys.modules
