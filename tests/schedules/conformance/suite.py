"""Put what each store promises of schedules into one class to be subclassed, beside the store's harness."""

from tests.schedules.conformance.one_fire_changes_together import FireConformance
from tests.schedules.conformance.rows import ScheduleRowConformance
from tests.schedules.conformance.runs import RunConformance

__all__ = ["ScheduleConformance"]


class ScheduleConformance(ScheduleRowConformance, FireConformance, RunConformance):
    """Every promise of ``ScheduleTables``."""
