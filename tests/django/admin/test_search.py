"""The condition of a search, and that it needs no whole table."""

from typing import Any

import pytest
from django.db import transaction
from django.test import TestCase

from sp00ky_django import outbox
from sp00ky_django.admin.search import matching
from sp00ky_django.models import Job


@pytest.mark.usefixtures("migrated")
class TestOnPostgres(TestCase):
    def setUp(self) -> None:
        with transaction.atomic():
            payload = {"id": "1"}
            self.one = outbox.run("api", "/spookify", payload, assigned_to="thread:1", dedup_key="order 7")
            self.other = outbox.run("api", "/spookify", payload, assigned_to="thread:2")

    def found(self, term: str) -> set[str]:
        rows = Job.objects.filter(matching(term, "job", is_postgres=True))
        return {row.job_id for row in rows}

    def test_what_is_searched(self) -> None:
        one, both = {self.one.id}, {self.one.id, self.other.id}
        key = self.one.id.partition(":")[2]
        for term in ("thread:1", "order 7", self.one.id, key, key.upper(), key.replace("-", "")):
            assert self.found(term) == one, term
        assert self.found(key[:6]) == both
        assert self.found(f"job:{key[:1]}") == both

    def test_what_is_no_id_finds_nothing(self) -> None:
        terms: tuple[Any, ...] = (
            "job:",
            "job:xyz",
            f"job:{'a' * 33}",
            "charge_job:1",
            "thread",
            "%",
            "--",
            "-" * 36,
        )
        for term in terms:
            assert self.found(term) == set(), term
