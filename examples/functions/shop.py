"""What a shop does later: functions, each of which is a job."""

from __future__ import annotations

from sp00ky_tasks import Context, Retry, Tasks

tasks = Tasks("shop")


@tasks.task(max_retries=5)
def send_receipt(order: int, email: str) -> str:
    """Send it. `def`, for sending blocks: it gets a thread."""
    return f"order {order}: sent to {email}"


@tasks.task
async def restock(context: Context, sku: str, count: int = 1) -> str:
    if context.attempt == 1:
        raise Retry("the warehouse is busy", after=0)
    return f"{count} of {sku}"
