"""Statements are sent in turn where they must be, and again where they collide."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.connection.conflict_retries import TRIES, Connection, Lane, Way
from sp00ky_store_surreal.errors import Conflict

CONFLICT = Conflict(store="mem://", problem="two at once")


class Link:
    """Answers what it is asked, or collides so often."""

    is_open = True

    def __init__(self, collisions: int = 0) -> None:
        self.collisions = collisions
        self.asked = 0
        self.begun = asyncio.Event()
        self.together = self.most_together = 0

    async def ask(self, statement: str, bindings: Any, *, lane: Lane, resend: bool) -> list[Any]:
        self.asked += 1
        self.begun.set()
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        await asyncio.sleep(0)
        self.together -= 1
        if self.asked <= self.collisions:
            raise CONFLICT
        return [statement]

    async def close(self) -> None:
        self.is_open = False


@pytest.fixture
def connect(make_store: Callable[..., SurrealStore]) -> Callable[..., tuple[Connection, Link]]:
    def make(collisions: int = 0) -> tuple[Connection, Link]:
        connection, link = make_store("mem://")._connection, Link(collisions)
        connection._link = link  # type: ignore[assignment]
        return connection, link

    return make


async def test_what_collides_is_sent_again(connect: Any) -> None:
    connection, link = connect(2)
    assert await connection.write("x", Way(lane=Lane.CLAIM)) == ["x"]
    assert (link.asked, connection.written[Lane.CLAIM], connection.collided[Lane.CLAIM]) == (3, 3, 2)


@pytest.mark.parametrize("tries", [1, 3])
async def test_but_not_for_ever(connect: Any, tries: int) -> None:
    connection, link = connect(TRIES)
    with pytest.raises(Conflict):
        await connection.write("x", Way(tries=tries))
    assert link.asked == tries


@pytest.mark.parametrize(("alone", "together"), [(True, 1), (False, 3)])
async def test_embedded_writes_wait_for_each_other(connect: Any, alone: bool, together: int) -> None:
    connection, link = connect()
    await asyncio.gather(*(connection.write("x", Way(alone=alone)) for _ in range(3)))
    assert link.most_together == together


async def test_a_cancelled_write_is_finished(connect: Any) -> None:
    connection, link = connect()
    call = asyncio.ensure_future(connection.write("x"))
    await link.begun.wait()
    call.cancel()
    await connection.close()
    assert call.cancelled()
    assert (link.asked, link.together, link.is_open) == (1, 0, False)
