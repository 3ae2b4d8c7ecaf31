"""What schedules are promised, on a PostgreSQL server."""

from tests.schedules.conformance.suite import ScheduleConformance
from tests.store_postgres.test_conformance import PostgresHarness


class TestSchedules(PostgresHarness, ScheduleConformance):
    """On a server."""
