"""The demo's jobs as they go on: plain lines where there is no terminal, each once."""

from __future__ import annotations

import pytest
from rich.console import Console

from sp00ky_core.cli.demo import screen as demo_screen
from sp00ky_core.cli.demo.screen import screen
from sp00ky_core.job import Job, JobStatus

EXPECTED = {"/a": 2, "/b": 1}


def jobs(*statuses: JobStatus) -> list[Job]:
    return [
        Job(id=f"job:{n}", backend="demo", path="/a", payload_json=b"{}", status=each, retries=n)
        for n, each in enumerate(statuses)
    ]


def test_lines_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    with screen(EXPECTED) as show:
        show(jobs(JobStatus.PENDING, JobStatus.PENDING), "a runner delivers")
        show(jobs(JobStatus.PENDING, JobStatus.PENDING), "a runner delivers")
        show(jobs(JobStatus.SUCCESS, JobStatus.FAILED), "a runner delivers")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "2 pending, 0 processing, 0 success, 0 failed",
        "a runner delivers",
        "0 pending, 0 processing, 1 success, 1 failed",
    ]


def test_a_table_on_a_terminal() -> None:
    console = Console(width=100, record=True)
    with console.capture() as shown:
        console.print(demo_screen._picture(jobs(JobStatus.SUCCESS, JobStatus.FAILED), EXPECTED, "a scene"))
    cells = [line.replace("│", " ").replace("┃", " ").split() for line in shown.get().splitlines()]
    assert ["/a", "0", "0", "1", "1", "1", "█" * 14] in cells
    assert ["/b", "0", "0", "0", "0", "0"] in cells
    assert ["a", "scene"] in cells
