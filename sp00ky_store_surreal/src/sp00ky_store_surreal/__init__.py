"""Store jobs in SurrealDB: embedded (``mem://``, ``surrealkv://``) or on a server."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sp00ky_store_surreal.store import SurrealStore

__all__ = ["SurrealStore"]


def __getattr__(name: str) -> Any:
    """Import the class when it is asked for: whoever looks for plugins doesn't need the SDK."""
    if name != "SurrealStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sp00ky_store_surreal.store import SurrealStore  # noqa: PLC0415  # see above

    return SurrealStore
