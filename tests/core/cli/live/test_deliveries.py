"""``sp00ky run`` on a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.core.cli.live.conftest import OnTerminal
from tests.core.cli.live.test_screen import drawn

from sp00ky_core.cli.live.deliveries import Deliveries


def test_each_backend_has_a_line(migrated: Path, sp00ky: Any, on_terminal: OnTerminal) -> None:
    sp00ky("call", "api", "/json")
    sp00ky("call", "api", "/fails", "--max-retries", "1")
    shown = on_terminal("run", "--log-level", "error", until=("latest error", "1 delivered, 1 failed"))
    assert shown.code == 0
    assert shown.is_clean
    assert "HTTP 500" in shown.text


def test_a_backend_that_is_unavailable_says_so_until_it_delivers() -> None:
    seen = Deliveries()
    assert drawn(seen.picture(["api"]), 80)[1].split() == ["api", "0", "0.0", "0", "0", "0"]
    seen.sp00ky_breaker_changed("api", "open")
    assert drawn(seen.picture(["api"]), 80)[1].endswith("unavailable")
    seen.sp00ky_breaker_changed("api", "closed")
    assert "unavailable" not in drawn(seen.picture(["api"]), 80)[1]
