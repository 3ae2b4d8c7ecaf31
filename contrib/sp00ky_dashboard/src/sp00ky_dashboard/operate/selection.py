"""Choose jobs: by the conditions of a query; for an act those that are ticked, or all that match."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import attrs

from sp00ky_core import JobFilter, Outbox
from sp00ky_core.errors import OptionInvalid, Sp00kyError, StoreError
from sp00ky_core.job.job import instant_to_json
from sp00ky_core.job.outcome import ERROR_NAMES
from sp00ky_dashboard.access.forms import Form, number_of
from sp00ky_dashboard.observe.cache import StillReading
from sp00ky_dashboard.times import instant_of

NAMES = tuple(field.name for field in attrs.fields(JobFilter))
"""Of the fields of a query and of a form: those of ``JobFilter``."""

INSTANTS = tuple(name for name in NAMES if name.endswith(("since", "until")))


def written_in(query: Mapping[str, str]) -> dict[str, str]:
    """Return the conditions as they are written; those that are left empty aren't among them."""
    return {name: query[name].strip() for name in NAMES if query.get(name, "").strip()}


@attrs.define
class Told(AbstractContextManager["Told"]):
    """Gather what keeps a page from showing jobs, to be shown beside the filters.

    Attributes:
        problems: What is wrong with the conditions; a database's own problem isn't that.
        is_reading: The answer takes its time: the browser is to ask for it once more.
    """

    problems: list[str] = attrs.field(factory=list)
    is_reading: bool = False

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        """Gather it."""
        if isinstance(error, StillReading):
            self.is_reading = True
        elif isinstance(error, Sp00kyError) and not isinstance(error, StoreError):
            self.problems.append(str(error))
        else:
            return False
        return True


def choices(outbox: Outbox, written: Mapping[str, str]) -> dict[str, Any]:
    """Return what the form of filters offers: backends, operations of the chosen one, names of errors."""
    named = outbox.backends.items()
    contracts = [backend.contract for name, backend in named if written.get("backend") in {None, name}]
    paths = {path for contract in contracts if contract.is_read for path in contract.operations}
    offered = {"backends": list(outbox.backends), "paths": sorted(paths), "error_names": sorted(ERROR_NAMES)}
    return {"written": written, **offered}


def conditions_of(outbox: Outbox, written: Mapping[str, str]) -> JobFilter:
    """Return what jobs must meet.

    Raises:
        OptionInvalid: A condition that can't be, or that no job can meet.
        UnknownBackend: One that isn't configured.
    """
    values: dict[str, Any] = dict(written)
    for name in INSTANTS:
        values[name] = instant_of(name, written.get(name, ""))
    values["code"] = number_of(written.get("code", ""))
    conditions = JobFilter(**values)
    outbox.backends.meant(conditions)
    return conditions


def absolute(conditions: JobFilter) -> dict[str, str]:
    """Write conditions so that they mean the same later: ``2h`` becomes the instant that it is now."""
    values = attrs.asdict(conditions, recurse=False)
    return {name: _text(value) for name, value in values.items() if value is not None}


def _text(value: object) -> str:
    return instant_to_json(value) if isinstance(value, datetime) else str(value)


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
