"""``sp00ky call``: enqueue one job, and perhaps wait for its end."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs
import click

from sp00ky_core.cli.command import Settings, as_json, command, flag, option, run_async
from sp00ky_core.cli.logs import say, set_level
from sp00ky_core.cli.options import (
    DURATION,
    LATER,
    backend_names,
    is_source,
    json_of,
    operation_names,
    read_payload,
    read_source,
    text_of,
)
from sp00ky_core.cli.output import progress, show_job
from sp00ky_core.cli.signals import AGAIN, GRACE, stop_signal, unless_stopped
from sp00ky_core.encoding.json_bytes import decode, pointer_of, steps_of
from sp00ky_core.error_texts import nearest
from sp00ky_core.errors import PayloadInvalid, PayloadNotJson, Sp00kyError
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_openapi.bodies import fits
from sp00ky_openapi.operation import Body, Operation, Parameter
from sp00ky_openapi.paths import properties
from sp00ky_openapi.value_types import types_of

if TYPE_CHECKING:
    from sp00ky_core.runner import Runner

__all__ = ["Parts"]

LONG = 10.0
"""Seconds after which ``--wait`` says what may keep the job."""


@command()
@click.argument("backend", shell_complete=backend_names)
@click.argument("path", metavar="OPERATION", shell_complete=operation_names)
@click.argument("payload", required=False)
@option("--param", "A parameter; repeat for more.", name="parameters", multiple=True, metavar="NAME=VALUE")
@option("--body", "The body: JSON, text or bytes, @FILE, or - for standard input.", metavar="BODY")
@option("--content-type", "Of the body, where the operation takes several.", metavar="TYPE")
@option("--assigned-to", "The record that the job belongs to: thread:abc.", metavar="RECORD")
@option("--max-retries", "Attempts after the first; by default the backend's.", type=int)
@option("--retry-strategy", "linear, exponential, ...; by default the backend's.")
@option("--timeout", "Seconds for an attempt, where the backend allows it.", type=float)
@option("--delay", "When it is due: 90 (seconds), 5m, 6h.", type=DURATION)
@option("--run-at", "When it is due: 2026-01-31T12:00:00Z; either this or --delay.", type=LATER)
@option("--expires-at", "It isn't sent after that: 10m (from now), or an instant.", type=LATER)
@option("--dedup-key", "At most one job with this key is pending or processing.")
@option("--priority", "0 to 3; higher ones go first.", type=int, default=0)
@option("--ordering-key", "Jobs with this key are delivered one at a time, in order.")
@flag("--wait", "Wait for the job's end; exit 1 if it failed.")
@as_json
def call(
    settings: Settings,
    *,
    backend: str,
    path: str,
    payload: str | None,
    parameters: tuple[str, ...],
    body: str | None,
    content_type: str | None,
    wait: bool,
    **options: Any,
) -> int:
    """Enqueue a call of BACKEND's OPERATION and print the job's id.

    OPERATION is a path of the document, its method and path ("PUT /orders/{id}"), or an operationId.

    PAYLOAD is JSON, @FILE, or - for standard input; or give --param and --body instead. With --wait the job
    is printed when it has ended; where the store belongs to one process (an embedded database), this command
    then delivers whatever is due until that.
    """
    parts = Parts(parameters=parameters, body=body, content_type=content_type)
    has_parts = parts != Parts()
    if payload is not None and has_parts:
        raise click.UsageError("give PAYLOAD, or --param, --body and --content-type, not both")
    document = parts if has_parts else {} if payload is None else read_payload(payload)
    job = run_async(_call(settings, backend, path, document, wait=wait, options=options))
    show_job(job, whole=wait)
    return int(wait and job.status is not JobStatus.SUCCESS)


async def _call(
    settings: Settings, backend: str, path: str, payload: Any, *, wait: bool, options: dict[str, Any]
) -> Job:
    outbox = settings.outbox()
    operation = outbox.backends.named(backend).contract.operation(path)
    parts = payload if isinstance(payload, Parts) else None
    if parts is not None:  # the enqueue says what is wrong with the operation
        payload = parts.payload(operation) if operation is not None else {}
    runner = None
    if wait and not outbox.store.capabilities.shared:
        from sp00ky_core.runner import RunnerOptions  # noqa: PLC0415  # other commands read payloads, too

        runner = outbox.runner(RunnerOptions(grace=GRACE))  # or says that no transport is installed
    async with outbox:
        try:
            job = await outbox.run(backend, path, payload, **options)
        except PayloadInvalid as error:
            if parts is None or operation is None:
                raise
            raise parts.problem(operation, error) from error
        if wait:
            return await _ended(outbox, job, runner)
        if not outbox.store.capabilities.durable:
            say(f"warning: {outbox.store.location} ends with this command, and the job with it; use --wait")
        return job


async def _ended(outbox: Outbox, job: Job, runner: Runner | None) -> Job:
    """Return the job when it has ended; an interrupt lets an attempt in flight end first."""
    by = "whichever `sp00ky run` is up" if runner is None else "this command"
    say(f"{job.id} is {job.status.value}: delivered by {by}")

    async def watch() -> Job:
        nonlocal job
        async for change in outbox.watch(job.id):
            job = change
        return job

    with progress(
        lambda: f"waiting for {job.id}: {job.status.value}, retry {job.retries} of {job.max_retries}"
    ):
        if runner is None:
            saying = asyncio.create_task(_say_reasons(outbox, job.id.partition(":")[0]))
            try:
                return await watch()
            finally:
                saying.cancel()
                await asyncio.wait([saying])
        set_level("error")  # what goes wrong with the job is in what is printed of it
        with stop_signal() as stopped:
            async with runner:
                if ended := await unless_stopped(stopped, watch()):
                    return ended
                say(f"interrupted: an attempt in flight gets {GRACE:g} s; {AGAIN}")
    raise KeyboardInterrupt


async def _say_reasons(outbox: Outbox, table: str) -> None:
    """Say after a while what keeps the jobs of a table, such as that no runner is alive."""
    await asyncio.sleep(LONG)
    with suppress(Sp00kyError):
        for finding in await outbox.check():
            if finding.subject == table:
                say(f"it goes on waiting: {finding.problem}; {finding.fix}")


@attrs.frozen(kw_only=True)
class Parts:
    """Carries the parts of a payload, as they were typed.

    Attributes:
        parameters: ``NAME=VALUE`` each; one that is a list may be given several times.
        body: JSON, text or bytes, @FILE, or - for standard input; None: no body.
        content_type: Of the body; None: the operation's first.
    """

    parameters: tuple[str, ...] = ()
    body: str | None = None
    content_type: str | None = None

    def payload(self, operation: Operation) -> dict[str, Any]:
        """Make a payload of the explicit form; a value is what the parameter's schema says.

        Raises:
            click.UsageError: a parameter that the operation doesn't have, or twice; a file that can't be
                read; a body that should be JSON and isn't.
        """
        payload: dict[str, Any] = {}
        for parameter, value in _values(operation, self.parameters):
            place = payload.setdefault(f"${parameter.place}", {})
            if parameter.name in place and not isinstance(value, list):
                raise click.UsageError(f"--param {parameter.name} is given twice, and isn't a list")
            given = place.get(parameter.name, ())
            place[parameter.name] = [*given, *value] if isinstance(value, list) else value
        if self.content_type is not None:
            payload["$contentType"] = self.content_type
        if self.body is not None:
            try:
                payload["$body"] = _body(self._kind(operation), self.body)
            except PayloadNotJson as error:
                raise click.UsageError(f"--body: {error.problem}{self._assumed(operation)}") from error
        return payload

    def problem(self, operation: Operation, error: PayloadInvalid) -> click.UsageError:
        """Say what is wrong with a payload in the words that were typed."""
        typed = [f"{_typed_as(violation.pointer)}: {violation.message}" for violation in error.violations]
        of_body = any(text.startswith("--body") for text in typed)
        assumed = self._assumed(operation) if of_body and self.body is not None else ""
        return click.UsageError("; ".join(typed) + assumed)

    def _kind(self, operation: Operation) -> Body | None:
        given = self.content_type
        kinds = (body for body in operation.bodies if given is None or fits(given, body.media_type))
        return next(kinds, None)

    def _assumed(self, operation: Operation) -> str:
        """End a sentence about a body with what it was taken as, and what else it may be."""
        kind = self._kind(operation)
        if kind is None:
            return ""
        is_form = kind.format in ("form", "multipart")
        fields = ", so --body is a JSON object of its fields" if is_form else ""
        listed = " or ".join(body.media_type for body in operation.bodies if body != kind)[:200]
        others = f"; for another, give --content-type {listed}" if listed else ""
        return f"; it is sent as {kind.media_type}{fields}{others}"


def _typed_as(pointer: str) -> str:
    """Return what was typed for a place in a payload of the explicit form."""
    match steps_of(pointer):
        case ["$body", *steps]:
            return f"--body {pointer_of(steps)}".strip()
        case ["$contentType"]:
            return "--content-type"
        case ["$path" | "$query" | "$header" | "$cookie", name, *steps]:
            return f"--param {name} {pointer_of(steps)}".strip()
    return pointer or "the payload"


def _values(operation: Operation, parameters: Iterable[str]) -> Iterable[tuple[Parameter, Any]]:
    for text in parameters:
        name, is_given, value = text.partition("=")
        if not is_given:
            raise click.UsageError(f"--param {text}: write NAME=VALUE")
        declared = [parameter for parameter in operation.parameters if parameter.name == name]
        if not declared:
            raise click.UsageError(f"--param {name}: {_why_none(operation, name)}")
        for parameter in declared:
            yield parameter, _value(parameter, value)


def _why_none(operation: Operation, name: str) -> str:
    """Say why an operation has no parameter of a name."""
    for (_, closed), source in operation.configured.items():
        if name == closed:
            return f"it is filled from {source}; leave it out"
    if any(name == closed for _, closed in operation.withheld):
        return "no payload may set it; leave it out"
    schemas = [body.schema for body in operation.bodies if body.schema]
    if any(name == known for schema in schemas for known, _ in properties(schema)):
        return f"it belongs to the body; use --body '{{\"{name}\": ...}}'"
    known = [parameter.name for parameter in operation.parameters]
    return f"{operation.name} has no parameter {name!r}; {nearest(name, known)}"


def _value(parameter: Parameter, text: str) -> Any:
    types = types_of(parameter.schema)
    if "array" not in types or "string" in types:
        return _typed(text, types)
    items = parameter.schema.get("items") if parameter.schema else None
    return [_typed(text, types_of(items))]


def _typed(text: str, types: frozenset[str]) -> Any:
    if "string" in types:
        return text
    try:
        return decode(text)
    except ValueError:
        return text  # the check of the payload says what it should be


def _body(kind: Body | None, argument: str) -> Any:
    content = read_source(argument, "--body") if is_source(argument) else argument.encode()
    if kind is not None and kind.format == "binary":
        return b64encode(content).decode()
    if kind is not None and kind.format == "text":
        return text_of(content)
    return json_of(content) if kind is not None else content.decode(errors="replace")  # refused, as a whole
