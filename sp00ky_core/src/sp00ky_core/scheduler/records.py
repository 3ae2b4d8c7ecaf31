"""Describe a schedule as it is now, and what a sync has written."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from sp00ky_core.config.schedules import ScheduleConfig
from sp00ky_core.errors import OptionInvalid, shown
from sp00ky_core.ports import RunStatus, ScheduleRun, StoredSchedule

__all__ = ["ScheduleRecord", "SyncResult", "statuses_of"]


@attrs.frozen(kw_only=True)
class ScheduleRecord:
    """A schedule as it is now.

    Attributes:
        stored: Its row.
        definition: What that defines; None: a later version wrote it.
        last_run: The latest run; of a fire that made several, one that has failed, if any has. None: it has
            made none that is kept.
    """

    stored: StoredSchedule
    definition: ScheduleConfig | None
    last_run: ScheduleRun | None

    @property
    def name(self) -> str:
        """Its name."""
        return self.stored.name

    @property
    def quarantined(self) -> tuple[str, ...]:
        """Keys that are skipped, for they failed too often in a row."""
        most = None if self.definition is None else self.definition.quarantine_after
        if most is None:
            return ()
        return tuple(sorted(key for key, count in self.stored.failures.items() if count >= most))


@attrs.frozen(kw_only=True)
class SyncResult:
    """The names of schedules that a sync has written.

    Attributes:
        defined: Added or changed.
        removed: No longer in the file.
    """

    defined: Sequence[str]
    removed: Sequence[str]


def statuses_of(status: RunStatus | str | None) -> tuple[RunStatus, ...]:
    """Read a status to look for; None: any. Raises ``OptionInvalid``."""
    try:
        return () if status is None else (RunStatus(status),)
    except ValueError:
        known = ", ".join(RunStatus)
        raise OptionInvalid(option="status", value=shown(status), expected=f"one of {known}") from None
