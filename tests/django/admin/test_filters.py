"""Filters whose choices come from the documents."""

from types import SimpleNamespace
from typing import Any

import django
import pytest
from django.contrib.admin import AdminSite
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from sp00ky_django.admin.filters import BackendFilter, PathFilter, backends_of
from sp00ky_django.admin.job_admin import JobAdmin
from sp00ky_django.models import ChargeJob, Job

PATHS = ("/spookify", "POST /spookify", "/send", "/of-no-document")


def chosen(kind: Any, model: Any = Job, **given: str) -> Any:
    admin: Any = SimpleNamespace(model=model)
    parameters = {key: [value] if django.VERSION >= (5,) else value for key, value in given.items()}
    return kind(SimpleNamespace(), parameters, model, admin)


def test_each_table_has_its_backends() -> None:
    assert list(backends_of("job")) == ["api", "mail"]
    assert list(backends_of("charge_job")) == ["charges"]


def test_a_table_of_one_backend_has_no_filter() -> None:
    assert not chosen(BackendFilter, ChargeJob).has_output()


@pytest.mark.usefixtures("migrated")
class TestRows(TestCase):
    def setUp(self) -> None:
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO job (path) VALUES (%s)", [(path,) for path in PATHS])

    def paths(self, found: Any) -> set[str]:
        return set(found.queryset(None, Job.objects.all()).values_list("path", flat=True))

    def test_a_backend_has_the_paths_of_its_document_and_the_first_one_the_rest(self) -> None:
        assert self.paths(chosen(BackendFilter)) == set(PATHS)
        assert self.paths(chosen(BackendFilter, backend="mail")) == {"/send"}
        assert self.paths(chosen(BackendFilter, backend="api")) == {*PATHS} - {"/send"}
        assert self.paths(chosen(BackendFilter, backend="none")) == set(PATHS)

    def test_paths_are_those_of_the_documents(self) -> None:
        with CaptureQueriesContext(connection) as seen:
            assert chosen(PathFilter).lookup_choices == [("/send", "/send"), ("/spookify", "/spookify")]
        assert len(seen) == 0
        assert self.paths(chosen(PathFilter, path="/of-no-document")) == {"/of-no-document"}
        assert self.paths(chosen(PathFilter, path="/spookify")) == {"/spookify", "POST /spookify"}
        assert self.paths(chosen(PathFilter)) == set(PATHS)

    def test_an_operation_is_listed_by_one_name(self) -> None:
        admin = JobAdmin(Job, AdminSite())
        assert {admin.operation(job) for job in Job.objects.all()} == {*PATHS} - {"POST /spookify"}
