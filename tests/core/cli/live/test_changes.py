"""``sp00ky jobs watch`` on a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.core.cli.live.conftest import OnTerminal


def test_a_screen_of_a_terminal(migrated: Path, sp00ky: Any, on_terminal: OnTerminal) -> None:
    sp00ky("call", "api", "/json")
    shown = on_terminal("jobs", "watch", "--history", "5", until=("latest changes", "pending     api /json"))
    assert shown.code == 130
    assert shown.is_clean
