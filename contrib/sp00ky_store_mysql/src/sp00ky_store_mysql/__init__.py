"""Store jobs in MySQL or MariaDB: ``mysql://HOST/DATABASE``, ``mariadb://HOST/DATABASE``."""

from typing import TYPE_CHECKING

from sp00ky_core.plugins.hookspecs import deferred_names

if TYPE_CHECKING:
    from sp00ky_store_mysql.store import MysqlStore
else:
    __getattr__ = deferred_names(__name__, MysqlStore="store")

__all__ = ["MysqlStore"]
