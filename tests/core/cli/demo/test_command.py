"""``sp00ky demo`` brings its own configuration and store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("option", ["--config", "--store"])
def test_another_configuration_is_refused(folder: Path, sp00ky: Any, option: str) -> None:
    assert "brings its own" in sp00ky("demo", option, "mem://").complaint(2)
