"""Load a backend as the outbox and the runner use it: its configuration, its contract, its table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import attrs

from sp00ky_core.backend.shared_tables import clash, joined, stored_table
from sp00ky_core.config import BackendConfig, Config
from sp00ky_core.contract import Contract, load_contract
from sp00ky_core.contract.loading import OpenContract, Operations, load_operations
from sp00ky_core.errors import ConfigError, Sp00kyError, UnknownBackend
from sp00ky_core.gate.breaker import longest_pause
from sp00ky_core.hints import nearest
from sp00ky_core.job.job import NewJob
from sp00ky_core.job.options import expect
from sp00ky_core.job.outcome import HTTP
from sp00ky_core.ports import JobFilter, JobTable, TransportEntry

__all__ = ["Backend", "Backends", "delivered", "load_backends", "queues", "serving", "store_tables"]

POOLED = "Sp00ky's scheduler runs the jobs of its table, on a pool of machines"
DELIVER_HERE = "to have them delivered here, remove `runOn`"

HTTP_CODES = range(100, 600)


@attrs.frozen(kw_only=True)
class Backend:
    """One backend, loaded.

    Attributes:
        config: Its configuration.
        contract: Its OpenAPI document, as operations.
        table: The backend's own times and limits; ``table.backend`` is the name that the store knows the
            table by, which is the first one's where several backends share it.
        sharing: Of that first one, the others: a job belongs to the one whose document has its path.
    """

    config: BackendConfig
    contract: Contract
    table: JobTable
    sharing: tuple[Backend, ...] = ()

    @property
    def name(self) -> str:
        """As in sp00ky.yml."""
        return self.config.name

    def stored(self, new_job: NewJob) -> NewJob:
        """Return a job of this backend as the store knows it: by its table."""
        is_first = self.name == self.table.backend
        return new_job if is_first else new_job.for_backend(self.table.backend)

    @property
    def document(self) -> str:
        """Tell what runners know apart: the document's digest, and that it is read otherwise than by 0.2."""
        return f"2-{self.contract.document.digest}"

    def serving(self, path: str) -> Backend:
        """Return the backend of this table whose operation a text names; this one where none has it."""
        for backend in self.sharing:
            if backend.contract.has(path):
                return backend
        return self


class Backends(dict[str, Backend]):
    """Backends by name; ``left_out`` has those that can't be used, with the reason."""

    def __init__(self, backends: Mapping[str, Backend], left_out: Mapping[str, str]) -> None:
        super().__init__(backends)
        self.left_out = left_out

    def named(self, name: str) -> Backend:
        """Return one. Raises ``UnknownBackend``, with the reason if it is left out."""
        if name not in self:
            raise UnknownBackend(backend=name, known=tuple(self), reason=self.left_out.get(name, ""))
        return self[name]

    def meant(self, conditions: JobFilter) -> list[Backend]:
        """Return those whose jobs may meet conditions.

        Raises:
            UnknownBackend: The conditions name one that isn't configured.
            OptionInvalid: A code that no answer of these has.
        """
        meant = [*self.values()] if conditions.backend is None else [self.named(conditions.backend)]
        code, schemes = conditions.code or HTTP_CODES[0], {backend.config.scheme for backend in meant}
        expected = "an HTTP status, or 0: no job can match"
        expect("code", code, expected, met=code in HTTP_CODES or schemes != {HTTP})
        return meant


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


def queues(backends: Mapping[str, Backend]) -> Mapping[str, Backend]:
    """Return one backend for each table, by the name that the store knows the table by."""
    return {name: backend for name, backend in backends.items() if backend.table.backend == name}


def serving(backends: Backends, names: Iterable[str] | None) -> Mapping[str, Backend]:
    """Return the backends of these names, and those that share a table with one; None: all.

    What another runner delivers is left out.

    Raises:
        UnknownBackend: one isn't configured, or another runner delivers it.
    """
    ours = delivered(backends)
    if names is None:
        return ours
    chosen = [backends.named(backend) for backend in names]
    for backend in chosen:
        if backend.name not in ours:
            raise UnknownBackend(backend=backend.name, known=tuple(ours), reason=f"{POOLED}; {DELIVER_HERE}")
    tables = {backend.table.backend for backend in chosen}
    return {name: backend for name, backend in ours.items() if backend.table.backend in tables}


def delivered(backends: Mapping[str, Backend]) -> dict[str, Backend]:
    """Return the backends whose jobs runners deliver: those of a pool, and of its tables, aren't."""
    return {name: backend for name, backend in backends.items() if backend.table.delivered}


def store_tables(backends: Mapping[str, Backend]) -> tuple[JobTable, ...]:
    """Return the tables as the store is to lease and prune their rows."""
    return tuple(stored_table(backend) for backend in queues(backends).values())
