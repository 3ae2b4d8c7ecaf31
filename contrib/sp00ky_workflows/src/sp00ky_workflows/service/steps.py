"""Hold the steps that one transaction reads and changes; write them together, each under its guard."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

import attrs

from sp00ky_core.ports import ExtensionTransaction, Is, Update, Where
from sp00ky_core.stores.ids import chunks
from sp00ky_workflows.model.advance import Place, StepState
from sp00ky_workflows.model.graph import StepStatus
from sp00ky_workflows.tables import STEPS

__all__ = ["Beaten", "Steps"]

AT_ONCE = 500
"""Steps that one statement asks for."""


class Beaten(Exception):
    """Another runner has changed a row meanwhile: the transaction is begun anew."""


class Steps:
    """The steps that a transaction knows: each is read once, and changed in its ``StepState``."""

    def __init__(self, tx: ExtensionTransaction) -> None:
        self._tx = tx
        self._known: dict[Place, StepState] = {}
        self._stored: dict[Place, StepState] = {}

    async def read(self, *where: Where) -> list[StepState]:
        """Read those that meet conditions."""
        states = [StepState.of(row) for row in await self._tx.select(STEPS, where)]
        for state in states:
            if self._known.setdefault(state.place, state) is state:
                self._stored[state.place] = attrs.evolve(state)
        return [self._known[state.place] for state in states]

    async def at(self, places: Iterable[Place]) -> list[StepState]:
        """Return those in some places; those that aren't known are read."""
        wanted = [*dict.fromkeys(places)]
        for workflows, names in _products(place for place in wanted if place not in self._known):
            await self.read(Is("workflow_id", "in", workflows), Is("name", "in", names))
        return [self._known[place] for place in wanted if place in self._known]

    def add(self, states: Iterable[StepState]) -> None:
        """Add new ones, or others in the place of those that are known."""
        self._known |= {state.place: state for state in states}

    async def delete(self, workflow_id: str, names: Iterable[str]) -> None:
        """Delete some of a workflow's."""
        for some in chunks(names, AT_ONCE):
            await self._tx.delete(STEPS, [Is("workflow_id", "=", workflow_id), Is("name", "in", tuple(some))])
            for name in some:
                self._known.pop((workflow_id, name), None)
                self._stored.pop((workflow_id, name), None)

    async def skip(self, workflows: Collection[str]) -> None:
        """Skip all that wait in some workflows."""
        for some in chunks(workflows, AT_ONCE):
            waiting = [Is("workflow_id", "in", tuple(some)), Is("status", "=", "waiting")]
            await self._tx.update(STEPS, waiting, {"status": StepStatus.SKIPPED.value})
        for states in (self._known, self._stored):
            for state in states.values():
                if state.workflow_id in workflows and state.status is StepStatus.WAITING:
                    state.status = StepStatus.SKIPPED

    async def write(self) -> None:
        """Write what has changed. Raises ``Beaten`` where a row isn't any more as it was read."""
        known, stored = self._known, self._stored
        new = [state.row() for place, state in known.items() if place not in stored]
        changed = [(old, known[place]) for place, old in sorted(stored.items()) if known[place] != old]
        await self._tx.insert(STEPS, new)
        for has_job in (True, False):
            await self._update([change for change in changed if bool(change[0].job_id) is has_job])
        self._stored = {place: attrs.evolve(state) for place, state in known.items()}

    async def _update(self, changes: Sequence[tuple[StepState, StepState]]) -> None:
        workflows, names = ({old.place[n] for old, _ in changes} for n in (0, 1))
        key = ("workflow_id", "name") if len(workflows) > len(names) else ("name", "workflow_id")
        updates = _apart([_update_of(old, new, key) for old, new in changes])
        if updates and await self._tx.update_many(STEPS, updates) != len(updates):
            raise Beaten


def _update_of(old: StepState, new: StepState, key: tuple[str, str]) -> Update:
    """Write an update of a row as it was read; one that has a job is told by that."""
    row = dict(zip(("workflow_id", "name"), old.place, strict=True))
    told = {"job_id": old.job_id} if old.job_id else {name: row[name] for name in key}
    met = {**told, "status": old.status.value, "waits_for": old.waits_for}
    values = {"status": new.status.value, "waits_for": new.waits_for, "job_id": new.job_id}
    values |= {"result": new.result} if new.result != old.result else {}
    values |= {"definition": new.step.text} if new.step != old.step else {}
    return [Is(name, "=", value) for name, value in met.items()], values


def _apart(updates: Sequence[Update]) -> list[Update]:
    """Order updates so that neighbours differ in their first condition, by which a statement tells rows."""
    seen = Counter[str]()
    rounds: dict[int, list[Update]] = defaultdict(list)
    for update in updates:
        first = update[0][0].value
        rounds[seen[first]].append(update)
        seen[first] += 1
    return [update for some in rounds.values() for update in some]


def _products(places: Iterable[Place]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Cut places into products of workflows and names, which one condition on each column finds."""
    names: dict[str, set[str]] = defaultdict(set)
    for workflow, name in places:
        names[workflow].add(name)
    alike: dict[frozenset[str], list[str]] = defaultdict(list)
    for workflow, own in names.items():
        alike[frozenset(own)].append(workflow)
    for some, workflows in alike.items():
        for few in chunks(sorted(some), AT_ONCE):
            for many in chunks(workflows, max(AT_ONCE // len(few), 1)):
                yield tuple(many), tuple(few)
