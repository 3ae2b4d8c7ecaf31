"""Store jobs in MySQL or MariaDB: ``mysql://HOST/DATABASE``, ``mariadb://HOST/DATABASE``."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sp00ky_store_mysql.store import MysqlStore

__all__ = ["MysqlStore"]


def __getattr__(name: str) -> Any:
    """Import the class when it is asked for: whoever looks for plugins doesn't need its driver."""
    if name != "MysqlStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sp00ky_store_mysql.store import MysqlStore  # noqa: PLC0415  # see above

    return MysqlStore
