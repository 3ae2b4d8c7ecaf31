"""Progress where there is no terminal: a line for each so many jobs, and none from a runner."""

from __future__ import annotations

import asyncio

import pytest

from sp00ky_core.cli.terminal import progress as module
from sp00ky_core.cli.terminal.progress import counted, slow


def test_a_line_for_each_so_many(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINE_EVERY", 10)
    with counted() as show:
        for count in (3, 9, 12, 15, 22, 40):
            show(f"{count} done", count)
    assert capsys.readouterr().err.splitlines() == ["12 done", "22 done", "40 done"]


async def test_a_call_that_takes_long_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUICK", 0.0)
    shown = asyncio.Event()
    monkeypatch.setattr(module, "is_terminal", lambda _stream: shown.set())
    with slow("counting"):
        await shown.wait()
    assert capsys.readouterr().err == "counting ...\n"
