"""Read a backend's OpenAPI document, and what it says of jobs (``x-sp00ky-timeout`` for one)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sp00ky_core.config import BackendConfig
from sp00ky_core.errors import ContractError, OptionInvalid
from sp00ky_core.job.job import NewJob
from sp00ky_openapi.loading import NO_FILE, Contract, DocumentError, Operations
from sp00ky_openapi.loading import load_operations as read_operations

__all__ = ["load_contract", "load_operations"]

_OF_JOBS = {"max_retries": "x-sp00ky-max-retries", "timeout": "x-sp00ky-timeout"}


def load_contract(backend: BackendConfig, *, ref_roots: Sequence[Path] = ()) -> Contract:
    """Read a backend's document, as ``load_operations`` does."""
    return Contract(load_operations(backend, ref_roots=ref_roots))


def load_operations(
    backend: BackendConfig, *, ref_roots: Sequence[Path] = (), document: Mapping[str, Any] | None = None
) -> Operations:
    """Read a backend's OpenAPI document (YAML or JSON, 3.0 to 3.2, or Swagger 2.0) and what it refers to.

    ``document``: that itself, where it is in no file.

    Raises:
        ContractError: the document, the key, and what to do.
    """
    if backend.spec is None and document is None:
        raise ContractError(file=backend.base_url, key="", problem="its document is in no file")
    file = backend.spec or NO_FILE
    configured = backend.configured
    try:
        return read_operations(
            file, ref_roots=ref_roots, document=document, configured=configured, options_of=_job_options
        )
    except DocumentError as error:
        hint = f"; write one there, or fix `spec` of the backend {backend.name!r} in sp00ky.yml"
        problem = error.problem + ("" if document is not None or file.is_file() else hint)
        name = backend.base_url if backend.spec is None else str(backend.spec)
        raise ContractError(file=name, key=error.key, problem=problem) from None


def _job_options(written: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an operation says of its jobs. Raises ``ValueError``."""
    options = {name: written[key] for name, key in _OF_JOBS.items() if written.get(key) is not None}
    try:
        NewJob(path="/", **options)
    except OptionInvalid as error:
        problem = f"{_OF_JOBS[error.option]} is {error.value}; expected {error.expected}"
        raise ValueError(problem) from None
    return options
