"""``manage.py check``: one line for each problem, none with a secret."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import TestCase, override_settings
from tests.django.configuration import PROJECT

from sp00ky_django.system_checks import check_settings, check_tables


@contextmanager
def a_table_more() -> Iterator[None]:
    """The project, with a backend whose table isn't in the database."""
    with tempfile.TemporaryDirectory() as folder:
        file = shutil.copytree(PROJECT, Path(folder) / "project") / "sp00ky.yml"
        file.write_text(file.read_text().replace("charge_job", "late_job"))
        with override_settings(SP00KY={"CONFIG": str(file)}):
            yield


def said(**settings: Any) -> list[str]:
    with override_settings(**settings):
        return [f"{setting.id} {setting.msg}" for setting in check_settings()]


@pytest.mark.parametrize(
    ("replaced", "by", "problem"),
    [
        ("", "store: postgresql://ada:secret@example.com/app\n", "sp00ky.W001 `store` in"),
        ("baseUrl:", "baseURL:", "sp00ky.E002"),
        ("./mail.yml", "./none.yml", "sp00ky.E002"),
        ("table: charge_job", "table: job", ""),
        ("./mail.yml", "./api.yml", "sp00ky.W002 the backend api is left out: its table 'job' is shared"),
    ],
)
def test_a_configuration(tmp_path: Path, replaced: str, by: str, problem: str) -> None:
    file = shutil.copytree(PROJECT, tmp_path / "project") / "sp00ky.yml"
    file.write_text(file.read_text().replace(replaced, by, 1))
    found = said(SP00KY={"CONFIG": str(file)})
    assert bool(found) == bool(problem)
    for message in found:
        assert "\n" not in message
        assert "secret" not in message
    assert found == [] or found[0].startswith(problem)


@pytest.mark.usefixtures("migrated")
class TestTables(TestCase):
    def test_all_are_there(self) -> None:
        assert check_tables(databases=["default"]) == []

    def test_one_of_a_backend_that_was_added_is_missing(self) -> None:
        """Looked at on a connection of the store's own, which sees what is committed."""
        with a_table_more():
            (found,) = check_tables(databases=["default"])
            assert check_tables(databases=["lite"]) == []
            assert check_tables() == []
        assert found.msg == "the installed store needs what isn't in the database yet, of late_job"
        assert found.hint == "run: python manage.py sp00ky migrate"

    def test_before_the_migration_there_is_nothing_to_say(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'sp00ky_django'")
        with a_table_more():
            assert check_tables(databases=["default"]) == []
