"""Fixtures for those who test with functions; pytest loads them wherever ``sp00ky-tasks`` is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

__all__ = ["assert_enqueued"]


@pytest.fixture
def assert_enqueued(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return ``sp00ky_tasks.testing.assert_enqueued`` for the test's ``sync_outbox``, else its ``outbox``."""
    from sp00ky_tasks import testing  # noqa: PLC0415  # only where the fixture is used

    name = "sync_outbox" if "sync_outbox" in request.fixturenames else "outbox"
    return partial(testing.assert_enqueued, request.getfixturevalue(name))
