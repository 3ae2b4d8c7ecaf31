"""One write for many rows, of which the database refuses some: those are found, and the others written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sp00ky_core.errors import RowRefused

__all__ = ["apart"]


async def apart(
    keys: Sequence[Any], write: Callable[[list[Any]], Awaitable[list[Any]]], refused: dict[Any, RowRefused]
) -> list[Any]:
    """What ``write`` returns for the keys, as many at once as the database takes.

    Args:
        keys: of rows; halved where they are refused.
        write: raises ``RowRefused`` and has then written none of them.
        refused: gets those that are refused by themselves, with what was said.
    """
    if not keys:
        return []
    try:
        return await write(list(keys))
    except RowRefused as error:
        if len(keys) == 1:
            refused[keys[0]] = error
            return []
    half = len(keys) // 2
    first = await apart(keys[:half], write, refused)
    return first + await apart(keys[half:], write, refused)
