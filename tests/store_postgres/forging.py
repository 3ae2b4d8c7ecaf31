"""Rows as only a runner may have written them, or a client before the trigger was there."""

from typing import Any

from sp00ky_store_postgres.schema.definition import object_name


async def forge(sql: Any, schema: str, statement: str, *arguments: object, table: str = "job") -> list[Any]:
    """Insert them by a connection; return what the statement returns. ``schema`` is quoted."""
    name, trigger = f"{schema}.{table}", object_name(table, "new")
    async with sql.transaction():
        await sql.execute(f"ALTER TABLE {name} DISABLE TRIGGER {trigger}")
        if arguments or "RETURNING" in statement:
            rows: list[Any] = await sql.fetch(statement, *arguments)
        else:
            rows = []
            await sql.execute(statement)
        # Refuses what no UPDATE may write.
        await sql.execute(f"UPDATE {name} SET path = path, payload = payload")
        await sql.execute(f"ALTER TABLE {name} ENABLE TRIGGER {trigger}")
    return rows
