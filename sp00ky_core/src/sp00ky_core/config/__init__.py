"""sp00ky.yml -> Config; every error names the file and the key.

``settings`` has the classes, ``written`` the keys and what they may hold, ``readers`` what is checked.
"""

from sp00ky_core.config.dumping import dump_config
from sp00ky_core.config.loading import find_config, load_config
from sp00ky_core.config.settings import (
    BackendConfig,
    BreakerConfig,
    Config,
    RetentionConfig,
    RetryConfig,
    Secret,
    SurrealdbConfig,
)
from sp00ky_core.config.storeurl import store_url

__all__ = [
    "Secret",
    "RetryConfig",
    "BreakerConfig",
    "RetentionConfig",
    "BackendConfig",
    "SurrealdbConfig",
    "Config",
    "find_config",
    "load_config",
    "dump_config",
    "store_url",
]
