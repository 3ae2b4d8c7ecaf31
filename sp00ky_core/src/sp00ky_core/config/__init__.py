"""sp00ky.yml -> Config; every error names the file and the key.

A key is a field in ``settings``, with its default, a reader of ``values`` and where it stands (``keys``).
``structuring`` reads the fields, ``entries`` says which entries are backends, ``loading`` joins them.
"""

from sp00ky_core.config.loading import find_config, load_config
from sp00ky_core.config.readiness import refuse_unready, unready
from sp00ky_core.config.settings import (
    BackendConfig,
    BreakerConfig,
    Config,
    Notice,
    RateConfig,
    RetentionConfig,
    RetryConfig,
    Secret,
    SurrealdbConfig,
    TlsConfig,
)
from sp00ky_core.config.store_url import store_url

__all__ = [
    "Secret",
    "RetryConfig",
    "BreakerConfig",
    "RateConfig",
    "RetentionConfig",
    "BackendConfig",
    "SurrealdbConfig",
    "TlsConfig",
    "Config",
    "Notice",
    "find_config",
    "load_config",
    "refuse_unready",
    "store_url",
    "unready",
]
