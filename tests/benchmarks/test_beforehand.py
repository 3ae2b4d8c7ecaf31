"""What is said before the first round, and who is left out of it."""

import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from benchmarks import beforehand
from benchmarks.beforehand import absent, remarks
from benchmarks.on_postgres.server import Postgres
from benchmarks.peers import environment
from benchmarks.peers.registry import GRAPHILE, OURS, PROGRAMS
from benchmarks.setting import Setting


def test_who_can_t_be_installed_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "NODE", tmp_path / "node")
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = dict(absent([PROGRAMS[OURS], PROGRAMS[GRAPHILE]]))
    assert missing == {GRAPHILE: "npm is missing, which the peers in Node.js need"}
    setting = Setting(without=frozenset(missing))
    assert [program.name for program in setting.programs([OURS, GRAPHILE])] == [OURS]


def test_a_requirement_that_can_t_be_met_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "peer").mkdir()
    (tmp_path / "peer" / "requirements.txt").write_text("./there-is-no-such-folder\n")
    monkeypatch.setattr(environment, "SOURCES", tmp_path)
    monkeypatch.setattr(environment, "CACHE", tmp_path)
    peer = attrs.evolve(PROGRAMS[OURS], name="peer", command=lambda: [str(environment.python_of("peer"))])
    [(name, reason)] = absent([peer])
    assert name == "peer"
    assert "pip" in reason
    assert "\n" not in reason


async def test_a_server_that_does_not_wait_for_the_disk_is_said(dsn: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(beforehand, "OLDEST", sys.version_info[:2])
    said = [remark async for remark in remarks(Postgres(dsn))]
    fsync = await Postgres(dsn).setting("fsync")
    assert said == ([] if fsync == "on" else [said[0]])
    assert all(f"fsync is {fsync}" in remark for remark in said)


async def test_an_old_python_is_said(monkeypatch: Any) -> None:
    monkeypatch.setattr(beforehand, "OLDEST", (9, 9))
    (said,) = [remark async for remark in remarks(None)]
    assert "is older than 9.9" in said
