"""What schedules are promised, in memory."""

from tests.conformance.test_memory_store import MemoryHarness
from tests.schedules.conformance.suite import ScheduleConformance


class TestSchedules(MemoryHarness, ScheduleConformance):
    """In the memory of this process."""
