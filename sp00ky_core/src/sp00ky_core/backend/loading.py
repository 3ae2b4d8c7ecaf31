"""Load every backend of a configuration: its document, its table, and with which others it shares that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from sp00ky_core.backend.backend import Backend, Backends, clash, joined
from sp00ky_core.backend.documents import load_contract, load_operations
from sp00ky_core.config import BackendConfig, Config
from sp00ky_core.error_texts import nearest
from sp00ky_core.errors import ConfigError, Sp00kyError
from sp00ky_core.gate.breaker import longest_pause
from sp00ky_core.ports import JobTable, TransportEntry
from sp00ky_openapi import Contract
from sp00ky_openapi.loading import OpenContract, Operations

__all__ = ["load_backends", "naming"]

NO_TRANSPORTS: Mapping[str, TransportEntry] = {}


def load_backends(
    config: Config, strategies: frozenset[str], transports: Mapping[str, TransportEntry] = NO_TRANSPORTS
) -> Backends:
    """Read every backend's OpenAPI document, or what stands for it by its transport.

    Raises:
        ConfigError: there is no backend, or a document or a strategy can't be used.
    """
    loaded = [
        _load(config, backend, strategies, transports.get(backend.transport_name))
        for backend in config.backends.values()
    ]
    groups: dict[str, list[Backend]] = {}
    for backend in loaded:
        groups.setdefault(backend.table.table, []).append(backend)
    usable, left_out = dict[str, Backend](), {**config.left_out}
    for group in groups.values():
        if problem := clash(group):
            left_out |= {backend.name: problem for backend in group}
        else:
            usable |= {backend.name: backend for backend in joined(group)}
    if not usable:
        raise _none(config, left_out)
    return Backends({name: usable[name] for name in config.backends if name in usable}, left_out)


def _none(config: Config, left_out: Mapping[str, str]) -> ConfigError:
    names: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        names.setdefault(reason, []).append(name)
    reasons = "; ".join(f"{' and '.join(names_of)}: {reason}" for reason, names_of in names.items())
    fix = "fix one, or describe another" if reasons else "describe one"
    problem = f"none can be used: {reasons}" if reasons else "there is none"
    return config.error("backends", f"{problem}; {fix}, as `sp00ky init` does")


def _load(
    config: Config, backend: BackendConfig, strategies: frozenset[str], entry: TransportEntry | None
) -> Backend:
    if backend.retry.strategy not in strategies:
        problem = f"no retry strategy {backend.retry.strategy!r:.80}; "
        problem += nearest(backend.retry.strategy, strategies)
        raise config.error(f"backends.{backend.name}.retry.strategy", problem)
    contract = _contract(backend, entry)
    return Backend(config=backend, contract=contract, table=_table(backend, contract, strategies))


def _contract(backend: BackendConfig, entry: TransportEntry | None) -> Contract:
    """Read the document that ``spec`` names; its transport may have its own, which is read late, or none."""
    if entry is None or entry.contract == "openapi" or (entry.contract == "own" and backend.spec):
        return load_contract(backend, ref_roots=backend.ref_roots)
    if entry.contract == "own" and entry.document is not None:
        return Contract(partial(_own_operations, backend, entry.document))
    return OpenContract(*([partial(entry.unlisted, backend)] if entry.unlisted else []))


def _own_operations(
    backend: BackendConfig, document: Callable[[BackendConfig], Mapping[str, Any]]
) -> Operations:
    with naming(backend):
        own = document(backend)
    return load_operations(backend, document=own)


@contextmanager
def naming(backend: BackendConfig) -> Iterator[None]:
    """Name the backend of what a transport raises. Raises ``ConfigError``."""
    try:
        yield
    except ConfigError:
        raise
    except Sp00kyError as error:
        raise ConfigError(file="", key=f"backends.{backend.name}", problem=str(error)) from None


def _table(backend: BackendConfig, contract: Contract, strategies: frozenset[str]) -> JobTable:
    return JobTable(
        backend=backend.name,
        table=backend.table,
        timeout=backend.timeout,
        timeout_overridable=backend.timeout_overridable,
        keep_success=backend.retention.keep_success,
        keep_failed=backend.retention.failed,
        max_successes=backend.retention.max_rows or None,
        strategies=strategies,
        breaker=backend.breaker is not None and backend.isolation == "backend",
        longest_pause=longest_pause(backend.breaker, backend.retry.cap),
        routes=frozenset(contract.texts()),
        max_payload_bytes=backend.max_payload_bytes,
        rate=backend.rate,
        max_in_flight=backend.max_in_flight,
        delivered=backend.pool is None,
    )
