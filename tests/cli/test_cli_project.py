"""``sp00ky init | check | migrate | plugins``: from an empty folder to one whose jobs run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SP00KY_STORE", raising=False)
    return tmp_path


def test_what_init_writes_works_as_it_is(folder: Path, sp00ky: Any) -> None:
    written = sp00ky("init")
    assert written.code == 0
    assert "sp00ky migrate && sp00ky check" in written.out
    assert sp00ky("migrate").code == 0
    checked = sp00ky("check", "--json")
    assert (checked.code, checked.json) == (0, {"findings": []})
    assert sp00ky("check").out == "ok: nothing to mend\n"
    assert sp00ky("call", "api", "/spookify", '{"id": "1"}').code == 0


@pytest.mark.parametrize("file", ["sp00ky.yml", "openapi.yml"])
def test_init_overwrites_nothing(folder: Path, sp00ky: Any, file: str) -> None:
    (folder / file).write_text("mine")
    assert file in sp00ky("init").complaint(1)
    assert [each.name for each in folder.iterdir()] == [file]
    assert (folder / file).read_text() == "mine"


def test_check_says_what_stops_jobs_and_how_to_mend_it(project: Path, sp00ky: Any) -> None:
    checked = sp00ky("check", "--json")
    assert checked.code == 1
    assert list(checked.json) == ["findings"]
    finding = checked.json["findings"][0]
    assert list(finding) == ["severity", "subject", "problem", "consequence", "mend"]
    assert finding["severity"] == "error"
    assert "sp00ky migrate" in finding["mend"]
    lines = sp00ky("check").out.splitlines()
    assert len(lines) == len(checked.json["findings"])
    assert all("consequence: " in line and "mend: " in line for line in lines)


def test_a_new_embedded_database_is_ready_without_a_word(project: Path, sp00ky: Any) -> None:
    assert sp00ky("jobs", "list", "--json").json == {"jobs": [], "next": None}
    assert sp00ky("check").code == 0


def test_migrate_says_each_step_once(project: Path, sp00ky: Any) -> None:
    steps = sp00ky("migrate").out.splitlines()
    assert any(line.startswith("job: ") and "DEFINE INDEX" in line for line in steps)
    assert sp00ky("migrate").out == "nothing to do\n"


def test_printing_a_migration_changes_nothing(project: Path, sp00ky: Any) -> None:
    printed = sp00ky("migrate", "--print").out
    assert "sp00ky_due" in printed
    assert sp00ky("migrate", "--print").out == printed
    assert sp00ky("check").code == 1
    statements = [line for line in printed.splitlines() if line and not line.startswith("-- ")]
    assert statements[-1].endswith(";")
    assert sp00ky("migrate").code == 0
    assert sp00ky("migrate", "--print").out == "-- nothing to do\n"


def test_plugins_have_the_documented_keys(folder: Path, sp00ky: Any) -> None:
    listed = sp00ky("plugins", "--json").json
    assert list(listed) == ["plugins"]
    keys = ["name", "distribution", "version", "stores", "transports", "retry_strategies", "hooks"]
    assert all(list(plugin) == keys for plugin in listed["plugins"])
    brought = {plugin["distribution"]: plugin for plugin in listed["plugins"]}
    assert brought["sp00ky-core"]["stores"] == ["memory"]
    assert {"mem", "surrealkv"} <= set(brought["sp00ky-store-surreal"]["stores"])
    assert brought["sp00ky-transport-http"]["transports"] == ["http", "https"]
    assert "sp00ky-store-surreal" in sp00ky("plugins").out
