"""Pages of large tables: counted up to a number, then estimated."""

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from sp00ky_django.admin import paginator
from sp00ky_django.admin.paginator import EstimatingPaginator
from sp00ky_django.models import Job

FILL = "INSERT INTO job (path, payload) SELECT '/spookify', '{}' FROM generate_series(1, %s)"


@pytest.mark.usefixtures("migrated")
class TestCounting(TestCase):
    def fill(self, count: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(FILL, [count])
            cursor.execute("ANALYZE job")

    def count(self, **conditions: str) -> int:
        with CaptureQueriesContext(connection) as seen:
            found = EstimatingPaginator(Job.objects.filter(**conditions), 10).count
        assert all("COUNT(*)" not in query["sql"] or "LIMIT 101" in query["sql"] for query in seen)
        return found

    def test_few_are_counted_and_many_estimated(self) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(paginator, "MOST_COUNTED", 100)
            self.fill(100)
            assert self.count() == 100
            self.fill(300)
            assert 200 <= self.count() <= 800
            assert self.count(path="/none") == 0
            patched.setattr(connection, "vendor", "sqlite")
            assert self.count() == 100

    def test_an_estimate_below_what_was_counted_is_not_believed(self) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(paginator, "MOST_COUNTED", 10)
            Group.objects.bulk_create(Group(name=str(n)) for n in range(12))
            assert EstimatingPaginator(Group.objects.order_by("name"), 10).count >= 11
