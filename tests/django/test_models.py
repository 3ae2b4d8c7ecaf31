"""The models of the job tables: one for each table, read where the jobs are."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.test import TestCase

from sp00ky_django import models, outbox
from sp00ky_django.models import ChargeJob, Job, job_models


def test_each_table_has_one() -> None:
    assert job_models() == [Job, ChargeJob]
    assert [model.table for model in job_models()] == ["job", "charge_job"]
    assert [str(model._meta.verbose_name_plural) for model in job_models()] == ["jobs", "jobs in charge_job"]


def test_names_are_quoted() -> None:
    place = models._Place(schema='a"b', is_postgres=True)
    assert models._quoted(place.schema, "my job") == '"a""b"."my job"'


@pytest.mark.usefixtures("migrated")
class TestRows(TestCase):
    def setUp(self) -> None:
        with transaction.atomic():
            payload, at = {"id": "1", "größe": [1, 2.5, None]}, datetime(2030, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
            self.job = outbox.run("api", "/spookify", payload, assigned_to="thread:1", run_at=at)

    def test_a_row_is_the_job(self) -> None:
        row = Job.objects.get()
        assert (row.job_id, str(row)) == (self.job.id, self.job.id)
        for name in ("path", "status", "retries", "max_retries", "assigned_to", "run_at", "created_at"):
            assert getattr(row, name) == getattr(self.job, name), name
        assert row.payload == self.job.payload_json.decode()
        assert (row.errors, row.result) == ("[]", None)
        assert not ChargeJob.objects.exists()

    def test_instants_can_be_compared(self) -> None:
        later = self.job.run_at + timedelta(microseconds=1)
        assert Job.objects.filter(run_at__lt=later, run_at__gte=self.job.run_at).count() == 1
        assert Job.objects.filter(run_at__gte=later).count() == 0
