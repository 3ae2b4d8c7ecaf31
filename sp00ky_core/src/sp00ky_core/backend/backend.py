"""Join a backend's configuration, contract and table, and the backends that share a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

import attrs

from sp00ky_core.config import BackendConfig
from sp00ky_core.errors import UnknownBackend
from sp00ky_core.job.job import NewJob
from sp00ky_core.job.options import expect
from sp00ky_core.job.outcome import HTTP
from sp00ky_core.ports import Finding, JobFilter, JobTable, RunnerInfo
from sp00ky_openapi import Contract
from sp00ky_openapi.loading import OpenContract

__all__ = ["Backend", "Backends", "delivered", "queues", "serving"]
__all__ += ["said_of_tables", "store_tables", "stored_table", "strangers"]
__all__ += ["stuck_finding"]

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
        """The backend's name in sp00ky.yml."""
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


OF_TABLE = "table:"
"""Begins the name by which a runner says, among its documents, which backends a table has."""


def clash(group: Sequence[Backend]) -> str:
    """Say why backends can't share a table: whose job would a path be that two have? Empty: they can."""
    for one, other in combinations(group, 2):
        shared, fix = f"its table {one.table.table!r} is shared, and", "each backend a table of its own"
        if any(isinstance(backend.contract, OpenContract) for backend in (one, other)):
            return f"{shared} {one.name!r} or {other.name!r} has no contract; give {fix}"
        if not (one.contract.is_read and other.contract.is_read):  # reading it runs the application
            problem = f"{one.name!r} or {other.name!r} has its contract in its application"
            return f"{shared} {problem}; give it a `spec`, or {fix}"
        if common := sorted(_paths(one) & _paths(other)):
            problem = f"the documents of {one.name!r} and {other.name!r} both have {common[0]!r}"
            return f"{shared} {problem}; give {fix}"
    return ""


def _paths(backend: Backend) -> set[str]:
    return {operation.key for operation in backend.contract.operations.values()}


def _forget_shared_ids(group: Sequence[Backend]) -> None:
    """Let an ``operationId`` that two backends of a table have name neither's operation."""
    owners: dict[str, list[Backend]] = {}
    for backend in group:
        for operation_id in backend.contract.operation_ids:
            owners.setdefault(operation_id, []).append(backend)
    for operation_id, backends in owners.items():
        if len(backends) > 1:
            names = " and ".join(backend.name for backend in backends)
            reason = f"the documents of {names}, which share a table, have it"
            for backend in backends:
                backend.contract.forget(operation_id, reason)


def joined(group: Sequence[Backend]) -> Iterable[Backend]:
    """Let backends share a table: the tighter concurrency is that of all, the first one has the others."""
    first, *others = group
    if not others:
        return group
    _forget_shared_ids(group)
    concurrency = min(backend.config.concurrency for backend in group)
    ours = all(backend.table.delivered for backend in group)

    def member(backend: Backend) -> Backend:
        return attrs.evolve(
            backend,
            config=attrs.evolve(backend.config, concurrency=concurrency),
            table=attrs.evolve(
                backend.table, backend=first.name, delivered=ours, routes=frozenset(backend.contract.texts())
            ),
        )

    sharing = tuple(map(member, others))
    return [attrs.evolve(member(first), sharing=sharing), *sharing]


def stored_table(backend: Backend) -> JobTable:
    """Return a table as the store is to lease and prune its rows.

    Its leases outlast an attempt of each of its backends, it keeps jobs for the longest retention of
    those that have one, and heeds the tightest limits.
    """
    tables = [backend.table, *(sharing.table for sharing in backend.sharing)]
    longest = max(table.timeout for table in tables)
    overridable = {table.timeout_overridable for table in tables}
    limits = {table.max_successes for table in tables}  # None, of which there is no limit, is larger than all
    # A job's own short timeout counts for the lease, but not for a backend that doesn't heed it.
    margin = 0.0 if len(overridable) == 1 else longest
    return attrs.evolve(
        backend.table,
        timeout=longest,
        timeout_overridable=any(overridable),
        lease_margin=backend.table.lease_margin + margin,
        keep_success=_longest(table.keep_success for table in tables),
        keep_failed=_longest(table.keep_failed for table in tables),
        max_successes=None if None in limits else max(filter(None, limits)),
        longest_pause=max(table.longest_pause for table in tables),
        routes=frozenset().union(*(table.routes for table in tables)),
        max_payload_bytes=max(table.max_payload_bytes for table in tables),
        rate=min(
            filter(None, (table.rate for table in tables)), key=lambda rate: rate.per_second, default=None
        ),
        max_in_flight=min(filter(None, (table.max_in_flight for table in tables)), default=None),
    )


def store_tables(backends: Mapping[str, Backend]) -> tuple[JobTable, ...]:
    """Return the tables as the store is to lease and prune their rows."""
    return tuple(stored_table(backend) for backend in queues(backends).values())


def said_of_tables(backends: Iterable[Backend]) -> Mapping[str, str]:
    """Return what a runner says of its tables: the names of each one's backends."""
    tables: dict[str, list[str]] = {}
    for backend in backends:
        tables.setdefault(f"{OF_TABLE}{backend.table.table}", []).append(backend.name)
    return {table: ", ".join(sorted(names)) for table, names in tables.items()}


def strangers(backends: Iterable[Backend], runners: Mapping[str, RunnerInfo]) -> Iterator[Finding]:
    """Find runners of other services that serve one of these backends' tables, each table once.

    Services are told apart by their backends: a deploy adds one to a table, or takes one away, and the others
    stay. A runner before 0.4 doesn't say which tables it serves.

    Args:
        backends: Of this service.
        runners: What each live runner says of itself, by its id.
    """
    for said, ours in said_of_tables(backends).items():
        table = said.removeprefix(OF_TABLE)
        for runner_id, info in runners.items():
            theirs = info.documents.get(said, ours)
            if set(theirs.split(", ")).isdisjoint(ours.split(", ")):
                yield Finding.stopping(
                    f"table {table}",
                    f"another service's runner, {runner_id}, serves it for its backends {theirs}, "
                    f"and this service for {ours}",
                    "each fails the jobs of the other as unknown_route",
                    "give each service a table of its own by method.table, or a database or a schema",
                )
                break


def stuck_finding(runner_id: str, info: RunnerInfo) -> Finding:
    """Name a runner without a free place."""
    problem = f"each of its places for {', '.join(info.stuck)} is kept by a call that outlived its timeout"
    fix = f"restart it: sp00ky runners drain {runner_id}; its log names the functions that hang"
    return Finding.warning(f"runner {runner_id}", problem, "it delivers nothing of these", fix)


def _longest(seconds: Iterable[float | None]) -> float | None:
    return max((length for length in seconds if length is not None), default=None)
