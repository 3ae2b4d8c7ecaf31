"""Which configuration and which store a command uses: its options, the environment, the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def test_a_missing_configuration_says_how_to_get_one(project: Path, sp00ky: Any) -> None:
    (project / "sp00ky.yml").unlink()
    assert "sp00ky init" in sp00ky("jobs", "list").complaint(2)
    assert "other.yml" in sp00ky("check", "--config", "other.yml").complaint(2)


def test_the_settings_stand_before_or_after_the_command(
    migrated: Path, sp00ky: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = sp00ky("call", "api", "/json").out.strip()
    monkeypatch.chdir("/")
    config = ["--config", str(migrated / "sp00ky.yml")]
    for arguments in (
        [*config, "jobs", "list", "--json"],
        ["jobs", *config, "list", "--json"],
        ["jobs", "list", *config, "--json"],
    ):
        assert [job["id"] for job in sp00ky(*arguments).json["jobs"]] == [job_id]
        assert sp00ky("--store", "memory://", *arguments).json["jobs"] == []


def test_the_store_of_the_environment_counts(
    migrated: Path, sp00ky: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SP00KY_STORE", "memory://")
    assert sp00ky("call", "api", "/json").code == 0
    monkeypatch.delenv("SP00KY_STORE")
    assert sp00ky("jobs", "list", "--json").json["jobs"] == []
