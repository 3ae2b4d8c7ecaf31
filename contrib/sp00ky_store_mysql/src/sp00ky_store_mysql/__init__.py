"""Store jobs in MySQL or MariaDB: ``mysql://HOST/DATABASE``, ``mariadb://HOST/DATABASE``."""

from sp00ky_store_mysql.store import MysqlStore

__all__ = ["MysqlStore"]
