"""Jobs for the commands that read and operate them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., str]


@pytest.fixture
def call(migrated: Path, sp00ky: Any) -> Call:
    """Enqueues a job and returns its id."""

    def enqueue(path: str = "/json", *options: str) -> str:
        called = sp00ky("call", "api", path, *options)
        assert called.code == 0, called.err
        return str(called.out).strip()

    return enqueue


@pytest.fixture
def ended(call: Call, sp00ky: Any) -> tuple[str, str]:
    """A job that succeeded, and one that failed."""
    good, bad = call("/json"), call("/fails", "--max-retries", "0")
    assert sp00ky("run", "--until-empty").code == 1
    return good, bad


def ids(listed: Any) -> list[str]:
    """Of the jobs that ``list --json`` printed."""
    return [job["id"] for job in listed.json["jobs"]]
