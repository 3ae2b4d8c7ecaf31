"""``sp00ky webhooks``: endpoints, their secrets and deliveries, and an operator's hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from sp00ky_core import Outbox
from sp00ky_core.cli.command import Settings, command, flag, option
from sp00ky_core.config import values
from sp00ky_webhooks.api import Webhooks
from sp00ky_webhooks.model import Endpoint, EndpointSecret

__all__ = ["webhooks"]

ENDPOINT = click.argument("endpoint")
COLUMNS = ("id", "state", "assigned to", "topics", "url")


class Since(click.ParamType[datetime]):
    """A time as an instant, or how long ago it was."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read ``2h``, or an instant with its time zone."""
        try:
            given = datetime.fromisoformat(value)
        except ValueError:
            try:
                seconds = values.seconds_of(value)
            except ValueError:
                self.fail(f"{value!r} is neither a duration such as 2h nor an instant", param, ctx)
            return datetime.fromtimestamp(datetime.now(UTC).timestamp() - seconds, UTC)
        if given.tzinfo is None:
            self.fail(f"{value!r} has no time zone: end it with Z", param, ctx)
        return given


SINCE = Since()


@click.group()
def webhooks() -> None:
    """Keep the endpoints that events are sent to."""


@command(webhooks, name="list", doing="reading the endpoints", short_help="List the endpoints.")
@option("--assigned-to", "Those of one tenant.", default=None)
@option("--limit", "How many at most.", type=click.IntRange(1, 10_000), default=100)
@flag("--json", "Print JSON.", name="as_json")
async def list_endpoints(outbox: Outbox, *, assigned_to: str | None, limit: int, as_json: bool) -> None:
    """List the endpoints: whose they are, what they want, whether they get it. No secret is shown."""
    found = await outbox.extension(Webhooks).endpoints.list(assigned_to=assigned_to, limit=limit)
    if as_json:
        _show({"endpoints": [endpoint_to_json(one) for one in found]})
        return
    rows = [COLUMNS, *map(_row, found)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@command(webhooks, name="get", short_help="Show one endpoint.")
@ENDPOINT
async def get(outbox: Outbox, *, endpoint: str) -> None:
    """Show the ENDPOINT as JSON, without its secret and the values of its headers."""
    _show(endpoint_to_json(await outbox.extension(Webhooks).endpoints.get(endpoint)))


def _changes(given: Mapping[str, Any]) -> Any:
    """Return what an endpoint is given of options; what wasn't said stays as it is."""
    changes = {name: given[name] for name in ("url", "rate") if given[name] is not None}
    if given["topics"]:
        changes["topics"] = list(given["topics"])
    if given["headers"]:
        changes["headers"] = dict(header.split(":", 1) for header in given["headers"])
        changes["headers"] = {name.strip(): value.strip() for name, value in changes["headers"].items()}
    if given["filter"] is not None:
        changes["filter"] = json.loads(given["filter"])
    return changes


def _check_json(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    try:
        json.loads(value or "null")
    except ValueError as error:
        raise click.BadParameter(f"it isn't JSON: {error}", param=parameter) from None
    return value


def _check_headers(_: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    if any(":" not in header for header in value):
        raise click.BadParameter("expected NAME: VALUE", param=parameter)
    return value


TOPIC = option(
    "--topic", "A topic that it wants, such as 'order.*'; by default all.", name="topics", multiple=True
)
FILTER = option("--filter", "JSON pointers with values.", callback=_check_json, default=None)
RATE = option("--rate", "Requests in a time, such as 20/s.", default=None)
HEADER = option("--header", "NAME: VALUE.", name="headers", multiple=True, callback=_check_headers)


@command(webhooks, name="create", short_help="Make an endpoint.")
@click.argument("url")
@option("--id", "Its id; by default a new one.", default=None)
@option("--assigned-to", "Whose it is.", default=None)
@TOPIC
@FILTER
@RATE
@HEADER
async def create(outbox: Outbox, *, id: str | None, assigned_to: str | None, **given: Any) -> None:  # noqa: A002
    """Make an endpoint at URL, and print its secret, which is shown this once."""
    made = await outbox.extension(Webhooks).endpoints.create(
        id=id, assigned_to=assigned_to, **_changes(given)
    )
    _show_secret(made)


@command(webhooks, name="update", short_help="Change an endpoint.")
@ENDPOINT
@option("--url", "Where its requests go.", default=None)
@TOPIC
@FILTER
@RATE
@HEADER
async def update(outbox: Outbox, *, endpoint: str, **given: Any) -> None:
    """Change what is given of the ENDPOINT; --topic and --header replace all of them."""
    changed = await outbox.extension(Webhooks).endpoints.update(endpoint, **_changes(given))
    _show(endpoint_to_json(changed))


@command(webhooks, name="enable", short_help="Send to an endpoint again.")
@ENDPOINT
async def enable(outbox: Outbox, *, endpoint: str) -> None:
    """Send to the ENDPOINT again; `recover` sends what has failed meanwhile."""
    await outbox.extension(Webhooks).endpoints.enable(endpoint)
    click.echo(f"{endpoint} is enabled")


@command(webhooks, name="disable", short_help="Send nothing to an endpoint.")
@ENDPOINT
@option("--reason", "Why.", default="by hand")
async def disable(outbox: Outbox, *, endpoint: str, reason: str) -> None:
    """Send nothing to the ENDPOINT; what waits for it fails."""
    await outbox.extension(Webhooks).endpoints.disable(endpoint, reason=reason)
    click.echo(f"{endpoint} is disabled")


@command(webhooks, name="delete", short_help="Delete an endpoint.")
@ENDPOINT
async def delete(outbox: Outbox, *, endpoint: str) -> None:
    """Delete the ENDPOINT; what waits for it fails."""
    await outbox.extension(Webhooks).endpoints.delete(endpoint)
    click.echo(f"{endpoint} is deleted")


@command(webhooks, name="rotate", short_help="Replace an endpoint's secret.")
@ENDPOINT
async def rotate(outbox: Outbox, *, endpoint: str) -> None:
    """Replace the secret of the ENDPOINT, and print it; for 24 h the one before signs, too."""
    _show_secret(await outbox.extension(Webhooks).endpoints.rotate(endpoint))


@command(webhooks, name="test", short_help="Send a ping.")
@ENDPOINT
@option("--wait", "Seconds to wait for the answer.", type=float, default=30.0)
async def test(outbox: Outbox, *, endpoint: str, wait: float) -> int:
    """Send a ping to the ENDPOINT; a runner delivers it. Exit 1: it failed, or not within --wait."""
    (delivery,) = (await outbox.extension(Webhooks).endpoints.test(endpoint)).deliveries or ("",)
    if not delivery:
        click.echo(f"{endpoint} is disabled: nothing is sent")
        return 1
    try:
        job = await outbox.wait(delivery, timeout=wait)
    except TimeoutError:
        click.echo(f"{delivery} has not ended within {wait:g} s; does `sp00ky run` run?")
        return 1
    click.echo(f"{delivery}: {job.status}" + (f": {job.errors[-1].reason}" if job.errors else ""))
    return int(job.status != "success")


@command(webhooks, name="publish", short_help="Publish an event.")
@click.argument("topic")
@click.argument("payload", callback=_check_json)
@option("--assigned-to", "Whose it is.", default=None)
@option("--event-id", "The same for what is to be published once.", default=None)
async def publish(outbox: Outbox, *, topic: str, payload: str, **given: Any) -> None:
    """Publish an event of a TOPIC with a PAYLOAD, a JSON object."""
    event = await outbox.extension(Webhooks).publish(topic, json.loads(payload), **given)
    click.echo(f"{event.id}: {len(event.deliveries)} deliveries")


@command(webhooks, name="deliveries", short_help="List the deliveries of an endpoint.")
@ENDPOINT
@option("--status", "pending, processing, success or failed.", default=None)
@option("--limit", "How many at most.", type=click.IntRange(1, 10_000), default=50)
async def deliveries(outbox: Outbox, *, endpoint: str, **asked: Any) -> None:
    """List the deliveries of the ENDPOINT, newest first."""
    for job in await outbox.extension(Webhooks).deliveries(endpoint, **asked):
        said = f"  {job.errors[-1].reason}" if job.errors else ""
        click.echo(f"{job.id}  {job.status}  {job.created_at:%Y-%m-%d %H:%M:%S}{said}")


@command(webhooks, name="resend", short_help="Send a delivery once more.")
@click.argument("delivery")
async def resend(outbox: Outbox, *, delivery: str) -> None:
    """Send the DELIVERY once more, with the same event's id."""
    click.echo(await outbox.extension(Webhooks).resend(delivery))


@command(webhooks, name="replay", doing="sending once more", short_help="Send all of a time once more.")
@ENDPOINT
@option("--since", "From when on, such as 2h.", type=SINCE, required=True)
async def replay(outbox: Outbox, *, endpoint: str, since: datetime) -> None:
    """Send all deliveries of the ENDPOINT since a time once more, those that have arrived, too."""
    count = await outbox.extension(Webhooks).replay(endpoint, since=since)
    click.echo(f"{count} are sent once more")


@command(webhooks, name="recover", doing="sending once more", short_help="Send what has failed once more.")
@ENDPOINT
@option("--since", "Of what failed from then on, such as 2h; by default all.", type=SINCE, default=None)
async def recover(outbox: Outbox, *, endpoint: str, since: datetime | None) -> None:
    """Send the deliveries of the ENDPOINT that have failed once more."""
    count = await outbox.extension(Webhooks).recover(endpoint, since=since)
    click.echo(f"{count} are sent once more")


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
    instants = ("failing_since", "not_before", "created_at", "updated_at")
    names = ("id", "url", "assigned_to", "filter", "rate", "enabled", "disabled_reason")
    whole = {name: getattr(endpoint, name) for name in names}
    whole |= {"topics": list(endpoint.topics), "headers": list(endpoint.headers)}
    for name in instants:
        at = getattr(endpoint, name)
        whole[name] = None if at is None else at.isoformat()
    return whole


def _row(endpoint: Endpoint) -> tuple[str, ...]:
    state = "enabled" if endpoint.enabled else f"disabled: {endpoint.disabled_reason or ''}"
    if endpoint.enabled and endpoint.failing_since is not None:
        state = f"failing since {endpoint.failing_since:%Y-%m-%d %H:%M}"
    return endpoint.id, state, endpoint.assigned_to or "", ",".join(endpoint.topics), endpoint.url


def _show(document: Mapping[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _show_secret(made: EndpointSecret) -> None:
    _show({"id": made.endpoint.id, "secret": made.secret})
    click.echo("The secret isn't shown again: give it to whoever verifies the requests.", err=True)
