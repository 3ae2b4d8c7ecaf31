"""A backend as the outbox and the runner use it: its configuration, its contract, its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from sp00ky_core.config import BackendConfig
from sp00ky_core.contract import Contract
from sp00ky_core.errors import UnknownBackend
from sp00ky_core.job.job import NewJob
from sp00ky_core.job.options import expect
from sp00ky_core.job.outcome import HTTP
from sp00ky_core.ports import JobFilter, JobTable

__all__ = ["Backend", "Backends", "delivered", "queues", "serving"]

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
