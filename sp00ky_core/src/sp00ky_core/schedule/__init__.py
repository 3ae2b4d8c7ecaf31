"""Decide when a schedule fires, and what a fire makes; each module's ``__all__`` is public here.

Pure: no IO, no clock. A decision is a ``ScheduleChange``, which a store writes if the schedule's row is still
what it was decided on.
"""

from sp00ky_core.schedule import row
from sp00ky_core.schedule.row import *  # noqa: F403

__all__: list[str] = []
__all__ += row.__all__
