"""Choose the jobs of an act: those that are ticked, or all that match the filters."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from sp00ky_core import JobFilter, Outbox
from sp00ky_core.errors import OptionInvalid
from sp00ky_dashboard.access.forms import Form
from sp00ky_dashboard.job_filters import NAMES, absolute, conditions_of, written_in


@attrs.frozen(kw_only=True)
class Selection:
    """Which jobs are meant.

    Attributes:
        ids: Those that are ticked; empty: all that meet the conditions.
        conditions: The page's filters.
    """

    ids: Sequence[str]
    conditions: JobFilter

    def fields(self) -> list[tuple[str, str]]:
        """Return the fields that choose the same jobs again."""
        if self.ids:
            return [("id", id_) for id_ in self.ids]
        chosen = absolute(self.conditions)
        return [("all", "1"), *((name, chosen.get(name, "")) for name in NAMES)]


def selected(outbox: Outbox, form: Form) -> Selection:
    """Read which jobs are meant. Raises ``OptionInvalid`` where none is chosen."""
    if form.has("all"):
        written = written_in({name: form.text(name) for name in NAMES})
        return Selection(ids=(), conditions=conditions_of(outbox, written))
    ids = form.all("id")
    if not ids:
        expected = "some jobs, or all that match: nothing was done"
        raise OptionInvalid(option="selection", value="nothing is ticked", expected=expected)
    return Selection(ids=ids, conditions=JobFilter())
