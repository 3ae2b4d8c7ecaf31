"""Calls of functions as jobs; a line that ends with the mark must fail."""

from dataclasses import dataclass
from datetime import timedelta

from sp00ky_core import Job, Outbox
from sp00ky_core.sync import SyncOutbox
from sp00ky_tasks import Context, Tasks
from sp00ky_tasks.testing import assert_enqueued


@dataclass
class Line:
    sku: str


tasks = Tasks("shop")


@tasks.task
async def send_receipt(order: int, email: str = "boo@example.com") -> str:
    return f"{order} {email}"


@tasks.task(max_retries=5, retry_on=(OSError,), timeout=60)
def ship(context: Context, lines: list[Line]) -> None:
    print(context.job_id, lines)


async def enqueues(outbox: Outbox, connection: object) -> Job:
    await send_receipt.enqueue(outbox, order="7")  # wrong
    await send_receipt.enqueue(outbox, ordr=7)  # wrong
    await send_receipt.enqueue(outbox)  # wrong
    await ship.enqueue(outbox, [Line("a")])
    await ship.enqueue(outbox, ["a"])  # wrong
    await assert_enqueued(outbox, send_receipt, order="7")  # wrong
    await assert_enqueued(outbox, send_receipt, order=7)
    configured = send_receipt.configure(delay=timedelta(hours=1), connection=connection)
    send_receipt.configure(prioritee=1)  # wrong
    text: str = await send_receipt(order=7)
    number: int = await send_receipt(order=7)  # wrong
    print(text, number)
    return await configured.enqueue(outbox, 7, email="x")


def enqueues_synchronously(outbox: SyncOutbox) -> Job:
    ship([Line("a")])
    ship.configure(autocommit=True).enqueue(outbox, lines=7)  # wrong
    return send_receipt.configure(autocommit=True).enqueue(outbox, 7)


@tasks.task(max_retires=5)  # wrong
def misspelt() -> None: ...
