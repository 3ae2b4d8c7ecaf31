"""Make an index of claims that isn't what its table holds, as 0.2.0's migration did beside writers."""

from surrealdb import AsyncSurreal

from sp00ky_core.ports import StoreOptions
from sp00ky_store_surreal.url import target_of

PLAIN = "DEFINE INDEX sp00ky_claim ON TABLE job FIELDS status, claim_group, ordering_at, run_at;"
"""What 0.2.0 sent: writes that are under way aren't in what it builds."""

__all__ = ["PLAIN", "defined_beside"]


async def defined_beside(url: str, write: str, definition: str = PLAIN) -> None:
    """Define the index while a transaction is open that writes, and that is committed afterwards."""
    target = target_of(StoreOptions(url=url, tables=()))
    async with AsyncSurreal(target.sdk_url) as db:
        await db.signin({"username": target.username, "password": target.password})
        await db.use(target.namespace, target.database)
        session = await db.new_session()
        await session.signin({"username": target.username, "password": target.password})
        await session.use(target.namespace, target.database)
        await db.query("REMOVE INDEX sp00ky_claim ON TABLE job;")
        transaction = await session.begin_transaction()
        await transaction.query(write)
        await db.query(definition)
        await transaction.commit()
