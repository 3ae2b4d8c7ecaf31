"""What tests whose transactions are committed need."""

from collections.abc import Iterator

import attrs
import pytest
from django.db import connections
from django.test import TransactionTestCase

from sp00ky_django import models, outbox
from sp00ky_django.testing import delete_jobs


@pytest.mark.usefixtures("migrated")
class TestDeleting(TransactionTestCase):
    def test_jobs_of_all_tables_are_gone(self) -> None:
        outbox.run("api", "/spookify", {"id": "1"}, autocommit=True)
        outbox.run("charges", "/charge", {"id": "1"}, autocommit=True)
        delete_jobs()
        assert outbox.find() == []


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tables with a job each in another database than ``default``."""
    monkeypatch.setattr(models, "_PLACE", attrs.evolve(models._PLACE, alias="other"))
    with connections["other"].cursor() as cursor:
        cursor.execute("ATTACH ':memory:' AS public")  # the models' schema
        for model in models.job_models():
            cursor.execute(f"CREATE TABLE {model._meta.db_table} AS SELECT 1 AS id")
        yield
        cursor.execute("DETACH public")


@pytest.mark.usefixtures("elsewhere")
def test_jobs_of_the_database_that_holds_them_are_gone() -> None:
    delete_jobs()
    assert [model.objects.exists() for model in models.job_models()] == [False, False]
