"""Hold the steps that one transaction reads and changes; write them together, each under its guard."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from sp00ky_core.ports import ExtensionTransaction, Is, Row, Update, Where
from sp00ky_core.stores.ids import chunks
from sp00ky_workflows.model.advance import Place, StepState
from sp00ky_workflows.model.graph import Step, StepStatus
from sp00ky_workflows.tables import STEPS

__all__ = ["Beaten", "Steps"]

AT_ONCE = 500
"""Workflows, and names, that one statement asks for."""
FEW = 4
"""Times as many rows as are wanted may be read, so that it takes one statement."""


class Beaten(Exception):
    """Another runner has changed a row meanwhile: the transaction is begun anew."""


class Steps:
    """The steps that a transaction knows: each is read once, and changed in its ``StepState``."""

    def __init__(self, tx: ExtensionTransaction) -> None:
        self._tx = tx
        self._known: dict[Place, StepState] = {}
        self._stored: dict[Place, Stored] = {}

    async def read(self, *where: Where, limit: int | None = None) -> list[StepState]:
        """Read those that meet conditions, or some of them."""
        states = [StepState.of(row) for row in await self._tx.select(STEPS, where, limit=limit)]
        for state in states:
            if self._known.setdefault(state.place, state) is state:
                self._stored[state.place] = _stored(state)
        return [self._known[state.place] for state in states]

    async def at(self, places: Iterable[Place]) -> list[StepState]:
        """Return those in some places; those that aren't known are read."""
        wanted = [*dict.fromkeys(places)]
        for workflows, names in _products([place for place in wanted if place not in self._known]):
            await self.read(Is("workflow_id", "in", workflows), Is("name", "in", names))
        return self.known(wanted)

    def known(self, places: Iterable[Place]) -> list[StepState]:
        """Return those in some places that have been read."""
        return [self._known[place] for place in places if place in self._known]

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
        """Skip all that wait in some workflows, when the others are written."""
        for some in chunks(workflows, AT_ONCE):
            waiting = [Is("workflow_id", "in", tuple(some)), Is("status", "=", "waiting")]
            await self._tx.update(STEPS, waiting, {"status": StepStatus.SKIPPED.value})
        for place, state in self._known.items():
            if state.workflow_id in workflows and state.status is StepStatus.WAITING:
                state.status = StepStatus.SKIPPED
                self._stored[place] = _stored(state)

    async def write(self) -> None:
        """Write what has changed. Raises ``Beaten`` where a row isn't any more as it was read."""
        known, stored = self._known, self._stored
        new = [state.row() for place, state in known.items() if place not in stored]
        changes = [
            (old, known[place]) for place, old in sorted(stored.items()) if _stored(known[place]) != old
        ]
        await self._tx.insert(STEPS, new)
        for has_job in (True, False):
            await self._update([change for change in changes if bool(change[0][2]) is has_job])
        self._stored = {place: _stored(state) for place, state in known.items()}

    async def _update(self, changes: Sequence[tuple[Stored, StepState]]) -> None:
        workflows, names = ({new.place[n] for _, new in changes} for n in (0, 1))
        n = int(len(workflows) <= len(names))
        alike: dict[object, list[Update]] = defaultdict(list)
        for old, new in changes:
            told, *met = (update := _update_of(old, new, n))[0]
            alike[told.column, *((one.column, one.value) for one in met), *update[1].items()].append(update)
        single = _apart([some[0] for some in alike.values() if len(some) == 1])
        count = await self._tx.update_many(STEPS, single) if single else 0
        for some in (some for some in alike.values() if len(some) > 1):
            (told, *met), values = some[0]
            keys = Is(told.column, "in", tuple(where[0].value for where, _ in some))
            count += await self._tx.update(STEPS, [keys, *met], values)
        if count != len(changes):
            raise Beaten


Stored = tuple[StepStatus, int, str | None, str | None, Step, datetime | None]
"""What may change of a step, as its row has it: status, waits_for, job_id, result, definition, due_at."""


def _stored(state: StepState) -> Stored:
    return state.status, state.waits_for, state.job_id, state.result, state.step, state.due_at


def _update_of(old: Stored, new: StepState, first: int) -> Update:
    """Write an update of a row as it was read; one that has a job is told by that."""
    status, waits_for, job_id, result, step, due_at = old
    place = (Is("workflow_id", "=", new.place[0]), Is("name", "=", new.place[1]))
    told = [Is("job_id", "=", job_id)] if job_id else [place[first], place[1 - first]]
    values: Row = {"status": new.status.value, "waits_for": new.waits_for, "job_id": new.job_id}
    values |= {"result": new.result} if new.result != result else {}
    values |= {"definition": new.step.text} if new.step != step else {}
    values |= {"due_at": new.due_at} if new.due_at != due_at else {}
    pausing = [Is("due_at", "=", due_at)] if due_at else []
    return [*told, Is("status", "=", status.value), Is("waits_for", "=", waits_for), *pausing], values


def _apart(updates: Sequence[Update]) -> list[Update]:
    """Order updates so that neighbours differ in their first condition, by which a statement tells rows."""
    seen = Counter[str]()
    rounds: dict[int, list[Update]] = defaultdict(list)
    for update in updates:
        first = update[0][0].value
        rounds[seen[first]].append(update)
        seen[first] += 1
    return [update for some in rounds.values() for update in some]


def _products(places: Collection[Place]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Cut places into products of workflows and names, which one condition on each column finds.

    Where these products are few rows more than are wanted, it is one.
    """
    names: dict[str, set[str]] = defaultdict(set)
    for workflow, name in places:
        names[workflow].add(name)
    alike: dict[frozenset[str], list[str]] = defaultdict(list)
    every = frozenset(name for _, name in places)
    is_one = len(every) * len(names) <= FEW * len(places)
    for workflow, own in names.items():
        alike[every if is_one else frozenset(own)].append(workflow)
    for some, workflows in alike.items():
        for few in chunks(sorted(some), AT_ONCE):
            for many in chunks(workflows, AT_ONCE):
                yield tuple(many), tuple(few)
