"""A number of worker processes, or ``auto``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.cli.arguments.workers import WORKERS, usable_cpus


def test_auto_is_one_for_each_cpu_that_may_be_used() -> None:
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)
    assert WORKERS.convert("auto", None, None) == usable_cpus()


@pytest.mark.parametrize("count", ["0", "-1", "1001", "some"])
def test_a_number_that_is_none_is_refused(project: Path, sp00ky: Any, count: str) -> None:
    assert "--workers" in sp00ky("run", "--workers", count).complaint(2)
