"""Register what this distribution brings."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.ports import Store, StoreFactory, StoreOptions

__all__ = ["sp00ky_register_stores"]


@hookimpl
def sp00ky_register_stores() -> Mapping[str, StoreFactory]:
    """``mysql://HOST/DATABASE``, and the same for MariaDB."""
    return dict.fromkeys(("mysql", "mariadb"), mysql_store)


def mysql_store(options: StoreOptions) -> Store:
    """Make the store; its driver is imported by then, not by each command that looks for plugins."""
    from sp00ky_store_mysql.store import MysqlStore  # noqa: PLC0415  # see above

    return MysqlStore(options)
