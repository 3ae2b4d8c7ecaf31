"""Keep the jobs of Sp00ky outbox in PostgreSQL."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sp00ky_store_postgres.store import PostgresStore

__all__ = ["PostgresStore"]


def __getattr__(name: str) -> Any:
    """Import the class when it is asked for: whoever looks for plugins doesn't need asyncpg."""
    if name != "PostgresStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sp00ky_store_postgres.store import PostgresStore  # noqa: PLC0415  # see above

    return PostgresStore
