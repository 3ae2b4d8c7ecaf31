"""Decide when a schedule fires, and what a fire makes. Pure: no IO, no clock.

A decision is a ``ScheduleChange``, which is written if the schedule's row is still what it was decided on.
"""

from __future__ import annotations
