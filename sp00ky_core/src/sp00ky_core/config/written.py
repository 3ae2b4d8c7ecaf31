"""sp00ky.yml's shape: what each key is called, and which values it takes. The one place for both.

Reading and writing go through the same tables, so what is dumped can be loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from sp00ky_core.config import readers as read
from sp00ky_core.config.settings import BreakerConfig, RetentionConfig, RetryConfig, Secret, SurrealdbConfig

__all__ = ["Key", "Section", "WrittenAuth", "WrittenBackend", "WrittenDeploy", "WrittenMethod", "SECTIONS"]

LONGEST_TIMEOUT = 86_400.0  # seconds


@attrs.frozen(kw_only=True)
class WrittenAuth:
    """``auth:`` of a backend."""

    type: str = "token"
    token: Secret


@attrs.frozen(kw_only=True)
class WrittenMethod:
    """``method:`` of a backend."""

    type: str = "outbox"
    table: str
    schema: str | None = None


@attrs.frozen(kw_only=True)
class WrittenDeploy:
    """``deploy:`` of a backend; most of it is other tools'."""

    timeout: float | None = None
    timeout_overridable: bool | None = None


@attrs.frozen(kw_only=True)
class WrittenBackend:
    """A backend as the file has it."""

    type: str | None = None  # of ``apps`` only
    spec: str
    base_url: str
    method: WrittenMethod
    auth: WrittenAuth | None = None
    deploy: WrittenDeploy = WrittenDeploy()
    timeout: float | None = None
    timeout_overridable: bool | None = None
    concurrency: int = 50
    retry: RetryConfig = attrs.field(factory=RetryConfig)
    give_up_on: frozenset[int] = frozenset()
    breaker: BreakerConfig | None = attrs.field(factory=BreakerConfig)
    retention: RetentionConfig = attrs.field(factory=RetentionConfig)
    max_response_bytes: int = 1_048_576
    max_payload_bytes: int = 1_048_576


@attrs.frozen(kw_only=True)
class Section:
    """A mapping inside the file: the class that it becomes."""

    into: type
    switch: bool = False  # true and false may stand for it: all defaults, and none

    def __call__(self, value: Any) -> Any:
        """Only reached through a converter, which knows how to read a section."""
        raise NotImplementedError


@attrs.frozen(kw_only=True)
class Key:
    """A key as it is written, and what reads its value."""

    name: str
    read: read.Reader | Section


def _key(name: str, reader: read.Reader | Section) -> Key:
    return Key(name=name, read=reader)


SECTIONS: Mapping[type, Mapping[str, Key]] = {
    WrittenBackend: {
        "type": _key("type", read.text),
        "spec": _key("spec", read.text),
        "base_url": _key("baseUrl", read.http_url),
        "method": _key("method", Section(into=WrittenMethod)),
        "auth": _key("auth", Section(into=WrittenAuth)),
        "deploy": _key("deploy", Section(into=WrittenDeploy)),
        "timeout": _key("timeout", read.number(0, LONGEST_TIMEOUT, above=True)),
        "timeout_overridable": _key("timeoutOverridable", read.boolean),
        "concurrency": _key("concurrency", read.whole(1, 10_000)),
        "retry": _key("retry", Section(into=RetryConfig)),
        "give_up_on": _key("giveUpOn", read.statuses),
        "breaker": _key("breaker", Section(into=BreakerConfig, switch=True)),
        "retention": _key("retention", Section(into=RetentionConfig)),
        "max_response_bytes": _key("maxResponseBytes", read.whole(1)),
        "max_payload_bytes": _key("maxPayloadBytes", read.whole(1)),
    },
    WrittenMethod: {
        "type": _key("type", read.only("outbox")),
        "table": _key("table", read.table_name),
        "schema": _key("schema", read.text),
    },
    WrittenAuth: {
        "type": _key("type", read.only("token")),
        "token": _key("token", read.token),
    },
    WrittenDeploy: {
        "timeout": _key("timeout", read.number(0, LONGEST_TIMEOUT, above=True)),
        "timeout_overridable": _key("timeoutOverridable", read.boolean),
    },
    RetryConfig: {  # the ranges are RetryPolicy's
        "base": _key("base", read.number(0)),
        "factor": _key("factor", read.number(1)),
        "cap": _key("cap", read.number(0)),
        "jitter": _key("jitter", read.number(0, 1)),
    },
    BreakerConfig: {
        "failures": _key("failures", read.whole(1)),
        "interval": _key("interval", read.number(0, above=True)),
    },
    RetentionConfig: {
        "success": _key("success", read.duration),
        "failed": _key("failed", read.duration),
    },
    SurrealdbConfig: {
        "namespace": _key("namespace", read.text),
        "database": _key("database", read.text),
        "endpoint": _key("endpoint", read.endpoint_url),
        "username": _key("username", read.text),
        "password": _key("password", read.secret),
    },
}
