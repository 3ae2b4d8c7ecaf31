"""Decide when a schedule fires, and what a fire makes; each module's ``__all__`` is public.

Pure: no IO, no clock. A decision is a ``ScheduleChange``, which a store writes if the schedule's row is still
what it was decided on.
"""

from __future__ import annotations
