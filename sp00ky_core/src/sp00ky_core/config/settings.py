"""What a sp00ky.yml says, as values that are ready to be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

__all__ = [
    "Secret",
    "RetryConfig",
    "BreakerConfig",
    "RetentionConfig",
    "BackendConfig",
    "SurrealdbConfig",
    "Config",
]


@attrs.frozen(repr=False)
class Secret:
    """A text that is never printed."""

    value: str

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__


@attrs.frozen(kw_only=True)
class RetryConfig:
    """``retry:`` of a backend; see ``RetryPolicy``."""

    base: float = 1.0  # seconds
    factor: float = 2.0
    cap: float = 900.0  # seconds
    jitter: float = 0.1


@attrs.frozen(kw_only=True)
class BreakerConfig:
    """``breaker:`` of a backend."""

    failures: int = 3  # in a row, to open it
    interval: float = 1.0  # seconds to the first probe


@attrs.frozen(kw_only=True)
class RetentionConfig:
    """``retention:`` of a backend: seconds that ended jobs are kept.

    None is the store's default, infinity is for ever (``never`` in the file).
    """

    success: float | None = None
    failed: float | None = None


@attrs.frozen(kw_only=True)
class BackendConfig:
    """One backend, ready to be used: defaults filled in, paths absolute, variables expanded."""

    name: str
    spec: Path
    base_url: str
    table: str
    schema: Path | None = None
    token: Secret | None = None
    timeout: float = 10.0  # seconds for a whole attempt
    timeout_overridable: bool = False
    concurrency: int = 50  # per process
    retry: RetryConfig = RetryConfig()
    give_up_on: frozenset[int] = frozenset()  # HTTP statuses that are never retried
    breaker: BreakerConfig | None = BreakerConfig()  # None: turned off
    retention: RetentionConfig = RetentionConfig()
    max_response_bytes: int = 1_048_576
    max_payload_bytes: int = 1_048_576


@attrs.frozen(kw_only=True)
class SurrealdbConfig:
    """``surrealdb:``, as other tools of a Sp00ky project have it too."""

    namespace: str | None = None
    database: str | None = None
    endpoint: str | None = None
    username: str | None = None
    password: Secret | None = None


@attrs.frozen(kw_only=True)
class Config:
    """A whole sp00ky.yml."""

    file: Path  # absolute
    backends: Mapping[str, BackendConfig]
    store: Secret | None = None  # its URL as the file has it, which may hold a password; see ``store_url``
    surrealdb: SurrealdbConfig | None = None
