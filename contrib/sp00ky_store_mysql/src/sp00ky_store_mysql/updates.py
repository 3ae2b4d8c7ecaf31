"""Update many rows in few statements, for each is a round trip: values stand in a CASE on the key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sp00ky_core.ports import Both, Either, Is, Table, Update, Where
from sp00ky_store_kit import SqlSession

__all__ = ["UpdatesByCase"]

MOST_ROWS, MOST_CHARACTERS = 100, 1_000_000
"""Rows that one statement updates, at most."""


class UpdatesByCase(SqlSession):
    """A session that updates many rows at once."""

    async def update_many(self, table: Table, updates: Sequence[Update]) -> int:
        """See ``Session.update_many``: a statement for each portion that sets the same columns."""
        return sum([await self._update_portion(table, portion) for portion in _portions(updates)])

    async def _update_portion(self, table: Table, updates: Sequence[Update]) -> int:
        if len(updates) == 1:
            return await self.update(table, *updates[0])
        guards, values = zip(*updates, strict=True)
        parameters: list[Any] = []
        settings = ", ".join(
            f"{self._name(name)} = {self._one_of(table, name, guards, values, parameters)}"
            for name in values[0]
        )
        conditions = self._conditions(table, _any_of(guards), parameters)
        rows = f"{self._rows(table)}{self.by_key.format(table.name)}"
        return (await self._run(f"UPDATE {rows} SET {settings}{conditions}", parameters))[1]

    def _one_of(
        self,
        table: Table,
        column: str,
        guards: Sequence[Sequence[Is]],
        values: Sequence[Mapping[str, Any]],
        parameters: list[Any],
    ) -> str:
        """Write the value of a column: the one that all rows get, or that of each by its key."""
        if all(value[column] == values[0][column] for value in values):
            return self._place(table, column, values[0][column], parameters)
        cases = (
            f"WHEN {self._place(table, guard[0].column, guard[0].value, parameters)} "
            f"THEN {self._place(table, column, new[column], parameters)}"
            for guard, new in zip(guards, values, strict=True)
        )
        return f"CASE {self._column_of(table, guards[0][0].column)} {' '.join(cases)} END"


def _portions(updates: Sequence[Update]) -> Iterator[Sequence[Update]]:
    """Divide updates by the columns that they set, and into statements that aren't too long.

    The first condition of each tells it from the others of its statement.
    """
    alike: dict[tuple[str, ...], list[Update]] = {}
    for update in updates:
        alike.setdefault(tuple(update[1]), []).append(update)
    for some in alike.values():
        portion: list[Update] = []
        size, keys = 0, set[object]()
        for update in some:
            longest, key = (
                sum(len(value) for value in update[1].values() if isinstance(value, str)),
                update[0][0].value,
            )
            if portion and (len(portion) == MOST_ROWS or size + longest > MOST_CHARACTERS or key in keys):
                yield portion
                portion, size, keys = [], 0, set()
            portion.append(update)
            size += longest
            keys.add(key)
        yield portion


def _any_of(guards: Sequence[Sequence[Is]]) -> list[Where]:
    """Return the conditions of rows that meet one of several guards; what all have in common comes once."""
    common = [condition for condition in guards[0] if all(condition in guard for guard in guards[1:])]
    own = [tuple(condition for condition in guard if condition not in common) for guard in guards]
    keys = Is(guards[0][0].column, "in", [guard[0].value for guard in guards])
    if all(len(guard) == 1 for guard in own):
        return [keys, *common]
    return [keys, *common, Either(tuple(map(Both, own)))]
