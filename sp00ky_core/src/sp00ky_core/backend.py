"""A backend as the outbox and the runner use it: its configuration, its contract, its table."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from sp00ky_core.config import BackendConfig, Config
from sp00ky_core.contract import Contract, load_contract, path_problem
from sp00ky_core.errors import ConfigError
from sp00ky_core.ports import JobTable

__all__ = ["Backend", "load_backends"]


@attrs.frozen(kw_only=True)
class Backend:
    """One backend, loaded."""

    config: BackendConfig
    contract: Contract
    table: JobTable

    @property
    def name(self) -> str:
        """As in sp00ky.yml."""
        return self.config.name


def load_backends(config: Config, strategies: frozenset[str]) -> Mapping[str, Backend]:
    """Read every backend's OpenAPI document.

    Raises:
        ConfigError: there is no backend, or a document can't be used.
    """
    if not config.backends:
        problem = "there is none; describe one, as `sp00ky init` does"
        raise ConfigError(file=str(config.file), key="backends", problem=problem)
    return {
        name: Backend(config=backend, contract=contract, table=_table(backend, contract, strategies))
        for name, backend in config.backends.items()
        for contract in [load_contract(backend)]
    }


def _table(backend: BackendConfig, contract: Contract, strategies: frozenset[str]) -> JobTable:
    return JobTable(
        backend=backend.name,
        table=backend.table,
        timeout=backend.timeout,
        timeout_overridable=backend.timeout_overridable,
        keep_success=backend.retention.success,
        keep_failed=backend.retention.failed,
        strategies=strategies,
        breaker=backend.breaker is not None,
        routes=frozenset(path for path in contract.routes if path_problem(path) is None),
        max_payload_bytes=backend.max_payload_bytes,
    )
