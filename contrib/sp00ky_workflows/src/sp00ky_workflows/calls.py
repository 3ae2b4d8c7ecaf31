"""Turn calls into jobs: their options from JSON and back, results put into their payloads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from sp00ky_core import NewJob
from sp00ky_core.backend.backend import Backend
from sp00ky_core.encoding.json_bytes import json_value
from sp00ky_core.errors import UnknownBackend
from sp00ky_core.ports import ExtensionContext
from sp00ky_workflows.model.graph import Call, Step
from sp00ky_workflows.model.pauses import is_pause
from sp00ky_workflows.model.pointers import INPUT, reference, resolved, sources

__all__ = ["as_upstream", "call_of", "job_of", "problem_of"]


def problem_of(call: Call, backends: Mapping[str, Backend]) -> str:
    """Say why there is no such operation; empty: there is."""
    if is_pause(call):
        return ""
    backend = backends.get(call.backend)
    if backend is None:
        return str(UnknownBackend(backend=call.backend, known=tuple(backends)))
    known = ", ".join(backend.contract.near(call.path)[:10])
    none = f"backend {call.backend!r} has no operation {call.path!r:.80}; it has {known}"
    return "" if backend.contract.has(call.path) else none


def call_of(backend: str, path: str, payload: Any = None, options: Mapping[str, Any] | None = None) -> Call:
    """Return a call as JSON has it. Raises ``OptionInvalid``, ``PayloadNotJson``, ``TypeError``."""
    given = {name: value for name, value in (options or {}).items() if value is not None}
    NewJob(path=path, **given)  # it checks the options
    written = {name: _written(value) for name, value in given.items()}
    plain = {} if payload is None else json_value(payload)
    return Call(backend=backend, path=path, payload=plain, options=written)


def _written(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, datetime) else value


def _read(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as jobs take them; a delay begins when the job is made."""
    read = {**options}
    for name in {"run_at", "expires_at"} & read.keys():
        read[name] = datetime.fromisoformat(read[name])
    if "delay" in read:
        read["run_at"] = datetime.now(UTC) + timedelta(seconds=read.pop("delay"))
    return read


def job_of(call: Call, values: Mapping[str, Any], context: ExtensionContext) -> NewJob:
    """Return the job of a call, checked: its payload has what it refers to, and nothing else.

    Args:
        call: It may have references.
        values: What they are to.
        context: The extension's.

    Raises:
        PointerUnmatched: A reference leads to nothing.
        PayloadInvalid: The payload breaks the contract.
        Sp00kyError: As of ``Outbox.run``.
    """
    payload, options = resolved(call.payload, values), _read(call.options)
    return context.check(NewJob(backend=call.backend, path=call.path, payload=payload, **options))


def as_upstream(step: Step, given: Any, backends: Mapping[str, Backend]) -> Step:
    """Write into a step of sp00ky.yml the references that Sp00ky's rule gives it.

    Those are ``steps``, the results of what it depends on, and ``input``. A payload that refers to something
    itself gets no more, and neither does one whose contract has no place for them.
    """
    backend = backends.get(step.backend)
    if backend is None or not backend.contract.has(step.path) or any(sources(step.payload)):
        return step
    beside: dict[str, tuple[Any, Any]] = {}
    if step.after:
        steps = {name: reference(name) for name in step.after}
        beside["steps"] = steps, dict.fromkeys(step.after)
    if given is not None:
        beside[INPUT] = reference(INPUT), given
    contract, payload = backend.contract, step.payload
    before = {*contract.violations(step.path, payload)}
    for name, (referred, value) in beside.items():
        after = {*contract.violations(step.path, {**step.payload, name: value})} - before
        if name not in step.payload and not any(one.pointer in ("", f"/{name}") for one in after):
            payload = {**payload, name: referred}
    return attrs.evolve(step, payload=payload)
