"""Turn calls into jobs: their options from JSON and back, results put into their payloads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sp00ky_core import NewJob
from sp00ky_core.backend.backend import Backend
from sp00ky_core.encoding.json_bytes import json_value
from sp00ky_core.errors import PayloadInvalid, UnknownBackend
from sp00ky_core.ports import ExtensionContext
from sp00ky_workflows.model.graph import Call, Step
from sp00ky_workflows.model.pointers import INPUT, ITEM, resolved, sources

__all__ = ["call_of", "job_of", "problem_of", "step_job", "takes_input"]


def problem_of(call: Call, backends: Mapping[str, Backend]) -> str:
    """Say why there is no such operation; empty: there is."""
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


def job_of(
    call: Call, values: Mapping[str, Any], extras: Mapping[str, Any], context: ExtensionContext
) -> NewJob:
    """Return the job of a call, checked.

    Args:
        call: It may have references.
        values: What they are to.
        extras: What is put into the payload beside, as far as its contract takes it.
        context: The extension's.

    Raises:
        PointerUnmatched: A reference leads to nothing.
        PayloadInvalid: The payload breaks the contract.
        Sp00kyError: As of ``Outbox.run``.
    """
    plain, options = resolved(call.payload, values), _read(call.options)

    def checked(beside: Mapping[str, Any]) -> NewJob:
        payload = {**beside, **plain}
        return context.check(NewJob(backend=call.backend, path=call.path, payload=payload, **options))

    try:
        return checked(extras)
    except PayloadInvalid:
        violations = context.backends[call.backend].contract.violations
        is_taken = {name: not violations(call.path, {name: value, **plain}) for name, value in extras.items()}
        return checked({name: value for name, value in extras.items() if is_taken[name]})


def step_job(
    step: Step, results: Mapping[str, Any], given: Any, context: ExtensionContext, *, beside: bool = True
) -> NewJob:
    """Return the job of a step, checked.

    Args:
        step: The step.
        results: Of the steps that it needs.
        given: The workflow's input.
        context: The extension's.
        beside: Put the results into the payload as ``steps`` too.

    Raises:
        PointerUnmatched: A reference leads to nothing.
        PayloadInvalid: The payload breaks the contract.
        Sp00kyError: As of ``Outbox.run``.
    """
    values = {INPUT: given, **results} | ({ITEM: step.item} if step.of else {})
    extras: dict[str, Any] = {"steps": dict(results)} if results and beside else {}
    extras |= {} if given is None else {"input": given}
    extras |= {"row": step.item} if step.of else {}
    return job_of(step, values, extras, context)


def takes_input(step: Step, given: Any, backend: Backend) -> bool:
    """Tell whether a workflow's input gets into a step's payload."""
    undoing = () if step.undo is None else sources(step.undo.payload)
    if INPUT in {*sources(step.payload), *undoing} or (step.for_each or "").partition("/")[0] == INPUT:
        return True
    contract = backend.contract
    before = {*map(str, contract.violations(step.path, step.payload))}
    after = contract.violations(step.path, {**step.payload, "input": given})
    return "input" not in step.payload and before.issuperset(map(str, after))
