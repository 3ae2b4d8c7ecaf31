"""``sp00ky webhooks``: endpoints, their secrets and deliveries, and an operator's hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs
import click

from sp00ky_core import Job, Outbox
from sp00ky_core.cli.command import Settings, as_json, command, option, with_options, with_settings
from sp00ky_core.cli.options import PAST, act_options, limit_option, page_options, read_payload
from sp00ky_core.cli.output import moment, show_list
from sp00ky_core.job.job import job_to_json, value_to_json
from sp00ky_webhooks.acts import ACTS, FIELDS, Act, do, said, text_of
from sp00ky_webhooks.api import Webhooks
from sp00ky_webhooks.model import Endpoint, EndpointSecret, Event

__all__ = ["webhooks"]

ENDPOINT = click.argument("endpoint")
COLUMNS = ("id", "state", "assigned to", "topics", "url")
DELIVERY_COLUMNS = (
    "delivery",
    "status",
    "retries",
    "created (UTC)",
    "due (UTC)",
    "updated (UTC)",
    "last error",
)


@click.group()
@with_settings
def webhooks() -> None:
    """Keep the endpoints that events are sent to."""


def _add(name: str, act: Act) -> None:
    async def work(outbox: Outbox, *, actor: str, reason: str | None, **given: Any) -> int:
        target, wait = given.pop(act.target), given.pop("wait", 0.0)
        result = await do(name, outbox.extension(Webhooks).by(actor=actor, reason=reason), target, given)
        if isinstance(result, EndpointSecret):
            _show({"id": result.endpoint.id, "secret": result.secret})
            click.echo("The secret isn't shown again: give it to whoever verifies the requests.", err=True)
        elif isinstance(result, Event) and result.deliveries:
            return await _waited(outbox, result.deliveries[0], wait)
        elif act.takes and isinstance(result, Endpoint):
            _show(endpoint_to_json(result))
        else:
            click.echo(said(name, target, result))
        return int(isinstance(result, Event))

    options = [_option(field, is_needed=field in act.needs) for field in act.takes]
    if name == "test":
        options.append(option("--wait", "Seconds to wait for the answer.", type=float, default=30.0))
    text = text_of(name)
    declare = command(
        webhooks, name=name, doing="working", short_help=text.partition(";")[0].rstrip(".") + ".", help=text
    )
    declare(with_options(click.argument(act.target), *options, act_options)(work))


def _option(name: str, *, is_needed: bool) -> Any:
    field, kind = FIELDS[name], PAST if name == "since" else None
    given: Any = {"name": name, "multiple": field.is_many, "type": kind, "required": is_needed}
    return option(field.option, f"{field.label}: {field.note}.", **given)


async def _waited(outbox: Outbox, delivery: str, wait: float) -> int:
    try:
        job = await outbox.wait(delivery, timeout=wait)
    except TimeoutError:
        click.echo(f"{delivery} has not ended within {wait:g} s; does `sp00ky run` run?")
        return 1
    click.echo(f"{delivery}: {job.status}" + (f": {job.errors[-1].reason}" if job.errors else ""))
    return int(job.status != "success")


for _name, _act in ACTS.items():
    _add(_name, _act)


@command(webhooks, name="list", doing="reading the endpoints", short_help="List the endpoints.")
@option("--assigned-to", "Those of one tenant.")
@option("--after", "The last endpoint of the page before.", metavar="ID", default="")
@limit_option(100, "Endpoints on a page.")
@as_json
async def list_endpoints(outbox: Outbox, **asked: Any) -> None:
    """List the endpoints: whose they are, what they want, whether they get it. No secret is shown."""
    found = await outbox.extension(Webhooks).endpoints.list(**asked)
    show_list("endpoints", found, endpoint_to_json, COLUMNS, _row)


@command(webhooks, name="get", short_help="Show one endpoint.")
@ENDPOINT
async def get(outbox: Outbox, *, endpoint: str) -> None:
    """Show the ENDPOINT as JSON, without its secret and the values of its headers."""
    _show(endpoint_to_json(await outbox.extension(Webhooks).endpoints.get(endpoint)))


@command(webhooks, name="publish", short_help="Publish an event.")
@click.argument("topic")
@click.argument("payload")
@option("--assigned-to", "Whose it is.")
@option("--event-id", "The same for what is to be published once.")
async def publish(outbox: Outbox, *, topic: str, payload: str, **given: Any) -> None:
    """Publish an event of a TOPIC with a PAYLOAD: a JSON object, @FILE, or - for standard input."""
    event = await outbox.extension(Webhooks).publish(topic, read_payload(payload), **given)
    click.echo(f"{event.id}: {len(event.deliveries)} deliveries")


@command(webhooks, name="deliveries", short_help="List the deliveries of an endpoint.")
@ENDPOINT
@option("--status", "pending, processing, success or failed.")
@page_options("delivery", "Deliveries")
@as_json
async def deliveries(outbox: Outbox, *, endpoint: str, **asked: Any) -> None:
    """List the deliveries of the ENDPOINT, newest first."""
    found = await outbox.extension(Webhooks).deliveries(endpoint, **asked)
    show_list("deliveries", found, job_to_json, DELIVERY_COLUMNS, _delivery_row)


@command(webhooks, name="reseal", doing="encrypting", short_help="Encrypt by the newest key.")
async def reseal(outbox: Outbox) -> None:
    """Encrypt all secrets and headers by the first key of SP00KY_SECRET_KEY."""
    endpoints, after, count = outbox.extension(Webhooks).endpoints, "", 0
    while found := await endpoints.list(after=after):
        for endpoint in found:
            await endpoints.update(endpoint.id)
        after, count = found[-1].id, count + len(found)
    click.echo(f"{count} endpoints are encrypted anew")


@command(webhooks, name="key", short_help="Make a key for SP00KY_SECRET_KEY.")
def key(_settings: Settings) -> None:
    """Print a new key for SP00KY_SECRET_KEY, which encrypts secrets and headers in the database."""
    from cryptography.fernet import Fernet  # noqa: PLC0415  # of this command alone

    click.echo(Fernet.generate_key().decode())


def endpoint_to_json(endpoint: Endpoint) -> dict[str, Any]:
    """Return an endpoint as JSON has it."""
    return {name: value_to_json(value) for name, value in attrs.asdict(endpoint, recurse=False).items()}


def _show(document: Mapping[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _row(endpoint: Endpoint) -> tuple[str, ...]:
    state = "enabled" if endpoint.enabled else f"disabled: {endpoint.disabled_reason or ''}"
    if endpoint.enabled and endpoint.failing_since is not None:
        state = f"failing since {endpoint.failing_since:%Y-%m-%d %H:%M}"
    return endpoint.id, state, endpoint.assigned_to or "", ",".join(endpoint.topics), endpoint.url


def _delivery_row(job: Job) -> tuple[object, ...]:
    due = moment(job.run_at) if job.status == "pending" else ""
    error = f"{job.errors[-1].name}: {job.errors[-1].reason}" if job.errors else ""
    return job.id, job.status, job.retries, moment(job.created_at), due, moment(job.updated_at), error
