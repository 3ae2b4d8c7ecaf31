"""What schedules are promised, on a file."""

from tests.schedules.conformance.suite import ScheduleConformance
from tests.store_sqlite.test_store import SqliteHarness


class TestSchedules(SqliteHarness, ScheduleConformance):
    """On sqlite3."""
