"""``sp00ky run`` on a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.core.cli.live.conftest import OnTerminal


def test_each_backend_has_a_line(migrated: Path, sp00ky: Any, on_terminal: OnTerminal) -> None:
    sp00ky("call", "api", "/json")
    sp00ky("call", "api", "/fails", "--max-retries", "1")
    shown = on_terminal("run", "--log-level", "error", until=("latest error", "1 delivered, 1 failed"))
    assert shown.code == 0
    assert shown.is_clean
    assert "HTTP 500" in shown.text
