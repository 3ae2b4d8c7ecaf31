"""What schedules are promised, on MariaDB or MySQL."""

from tests.schedules.conformance.suite import ScheduleConformance
from tests.store_mysql.test_store import MysqlHarness


class TestSchedules(MysqlHarness, ScheduleConformance):
    """On asyncmy."""
