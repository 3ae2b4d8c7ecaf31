"""``manage.py sp00ky``: the command line, with the project's configuration and database."""

import json
from typing import Any

import pytest
from django.core.management import ManagementUtility
from django.test import override_settings

from sp00ky_django import outbox
from sp00ky_django.testing import delete_jobs


@pytest.fixture(autouse=True)
def no_jobs(migrated: Any) -> Any:
    yield
    delete_jobs()


def manage(*arguments: str) -> int:
    """Its exit code."""
    with pytest.raises(SystemExit) as ended:
        ManagementUtility(["manage.py", "sp00ky", *arguments]).execute()
    return int(ended.value.code or 0)


def test_it_knows_where_the_jobs_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "ignored.here")  # as Django sets it, and taken back
    job = outbox.run("api", "/spookify", {"id": "1"}, autocommit=True)
    assert manage("jobs", "list", "--json", "--settings", "ignored.here") == 0
    (listed,) = json.loads(capsys.readouterr().out)["jobs"]
    assert listed["id"] == job.id


def test_its_options_are_those_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Also those that Django has by the same name."""
    assert manage("--help") == 0
    assert "Deliver jobs until stopped." in capsys.readouterr().out
    assert manage("jobs", "get", "job:none") == 1
    assert manage("nonsense") == 2
    assert manage("--store", "memory://", "jobs", "list") == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"CONFIG": "none.yml"}, "name your sp00ky.yml"), ({"DATABASE": "none"}, "no database 'none'")],
)
def test_wrong_settings_are_one_line(capsys: pytest.CaptureFixture[str], wrong: Any, said: str) -> None:
    with override_settings(SP00KY=wrong):
        assert manage("check") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
