"""Read and write many steps at once: as few statements as there are different values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.ports import ExtensionTransaction, Is, Row, Update
from sp00ky_workflows.tables import STEPS

__all__ = ["Beaten", "Change", "Place", "change", "chunks", "failure", "rows_at"]

Place = tuple[str, str]
"""A workflow's id and a step's name."""


CHUNK = 500
"""So many ids, or names, are asked for at once."""


def chunks(values: Iterable[str], size: int = CHUNK) -> Iterator[list[str]]:
    """Cut texts into lists of at most this size, without repetitions."""
    unique = [*dict.fromkeys(values)]
    return (unique[start : start + size] for start in range(0, len(unique), size))


class Beaten(Exception):
    """Another runner has changed a step meanwhile: the transaction is begun anew."""


@attrs.frozen(kw_only=True)
class Change:
    """What is changed in one step, if it still is as it was read.

    Attributes:
        place: Which step.
        old: What it was read as.
        new: What it becomes.
        job_id: Of its job, where it has to be still that.
    """

    place: Place
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    job_id: str | None = None


def failure(code: str, reason: str) -> str:
    """Return what the ``result`` of a step says that has failed."""
    return encode({"code": code, "reason": reason}).decode()


def _products(places: Iterable[Place]) -> Iterator[tuple[list[str], list[str]]]:
    """Cut steps into products of workflows and names, which one condition on each column finds."""
    names: dict[str, set[str]] = defaultdict(set)
    for workflow, name in places:
        names[workflow].add(name)
    alike: dict[frozenset[str], list[str]] = defaultdict(list)
    for workflow, some in names.items():
        alike[frozenset(some)].append(workflow)
    for some_names, workflows in alike.items():
        for few in chunks(sorted(some_names)):
            for many in chunks(sorted(workflows), max(CHUNK // len(few), 1)):
                yield many, few


async def rows_at(tx: ExtensionTransaction, places: Iterable[Place], columns: Sequence[str]) -> list[Row]:
    """Select steps by their places."""
    rows = list[Row]()
    for workflows, names in _products(places):
        where = [Is("workflow_id", "in", tuple(workflows)), Is("name", "in", tuple(names))]
        rows += await tx.select(STEPS, where, columns=("workflow_id", "name", *columns))
    return rows


async def change(tx: ExtensionTransaction, changes: Iterable[Change]) -> None:
    """Change steps. Raises ``Beaten`` where one isn't any more as it was read."""
    alike: dict[tuple[Any, ...], list[Change]] = defaultdict(list)
    for one in changes:
        alike[(*one.old.items(), None, *one.new.items())].append(one)
    for some in alike.values():
        if len(some) > 1:
            await _change_alike(tx, {one.place: one for one in some})
    for updates in _told_apart([some[0] for some in alike.values() if len(some) == 1]):
        if await tx.update_many(STEPS, updates) != len(updates):
            raise Beaten


async def _change_alike(tx: ExtensionTransaction, changes: Mapping[Place, Change]) -> None:
    """Change steps that become the same."""
    first = next(iter(changes.values()))
    met = [Is(column, "=", value) for column, value in first.old.items()]
    for workflows, names in _products(changes):
        job_ids = {changes[workflow, name].job_id for workflow in workflows for name in names}
        where = [Is("workflow_id", "in", tuple(workflows)), Is("name", "in", tuple(names)), *met]
        where += [] if None in job_ids else [Is("job_id", "in", tuple(job_ids))]
        if await tx.update(STEPS, where, first.new) != len(workflows) * len(names):
            raise Beaten


def _told_apart(changes: Sequence[Change]) -> Iterable[list[Update]]:
    """Write changes as updates of many rows, of which the first condition tells which row it is."""
    workflows, names = ({one.place[n] for one in changes} for n in (0, 1))
    order = (0, 1) if len(workflows) > len(names) else (1, 0)
    seen, rounds = Counter[str](), dict[int, list[Update]]()
    for one in sorted(changes, key=lambda one: one.place):
        where = [Is(("workflow_id", "name")[n], "=", one.place[n]) for n in order]
        where += [Is(column, "=", value) for column, value in one.old.items()]
        where += [Is("job_id", "=", one.job_id)] if one.job_id else []
        first = one.place[order[0]]
        rounds.setdefault(seen[first], []).append((where, one.new))
        seen[first] += 1
    return rounds.values()
