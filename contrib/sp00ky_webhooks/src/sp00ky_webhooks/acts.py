"""List what may be done to endpoints and deliveries: for the command line, and the dashboard."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from sp00ky_core.config.values import seconds_of
from sp00ky_core.errors import OptionInvalid
from sp00ky_webhooks.api import Endpoints, Webhooks
from sp00ky_webhooks.model import EndpointSecret, Event

__all__ = ["ACTS", "FIELDS", "Act", "do", "said", "text_of"]


def _topics(written: Sequence[str]) -> list[str]:
    return " ".join(written).replace(",", " ").split()


def _headers(written: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition(":") for text in written]
    if not all(colon for _, colon, _ in pairs):  # which isn't quoted: it may be a secret
        raise OptionInvalid(option="headers", value="what was given", expected="NAME: VALUE")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _filter(written: str) -> Any:
    try:
        return json.loads(written)
    except ValueError as error:
        raise OptionInvalid(option="filter", value=written[:70], expected=f"JSON: {error}") from None


def _since(written: str) -> datetime:
    try:
        return datetime.now(UTC) - timedelta(seconds=seconds_of(written))
    except (OverflowError, ValueError):
        raise OptionInvalid(option="since", value=written[:70], expected="such as 2h") from None


@attrs.frozen
class Field:
    """Describe what an act is given.

    Attributes:
        option: Of the command line.
        label: What it is.
        note: What may be written.
        read: Makes a value of a text; of several, where that is a tuple.
        is_many: There may be several.
        for_tenants: A tenant gives it, too.
    """

    option: str
    label: str
    note: str
    read: Callable[[Any], Any] = str
    is_many: bool = False
    for_tenants: bool = True


FIELDS: Mapping[str, Field] = {
    "id": Field("--id", "Id", "by default a new one", for_tenants=False),
    "assigned_to": Field("--assigned-to", "Assigned to", "such as tenant:7", for_tenants=False),
    "url": Field("--url", "URL", "where its requests go"),
    "topics": Field("--topic", "Topics", "such as order.*; by default all", _topics, is_many=True),
    "filter": Field("--filter", "Filter", 'such as {"/total": 7}, or null', _filter),
    "rate": Field("--rate", "Rate", "such as 20/s, or none", lambda text: text if text != "none" else None),
    "headers": Field("--header", "Headers", "NAME: VALUE", _headers, is_many=True),
    "since": Field("--since", "Since", "such as 2h", _since),
}
_CHANGES = ("topics", "filter", "rate", "headers")


@attrs.frozen
class Act:
    """Describe an act: a call of the API by its name, whose docstring says what it does.

    Attributes:
        verb: On a button.
        done: What was done: of the target, and of what the call returns.
        takes: What it is given, by the names of ``FIELDS``.
        target: What it is done to: an ``endpoint``, a ``delivery``, or nothing yet but a ``url``.
        needs: What of it can't be left out.
        is_dangerous: It can't be undone.
    """

    verb: str
    done: str = ""
    takes: Sequence[str] = ()
    target: str = "endpoint"
    needs: Sequence[str] = ()
    is_dangerous: bool = False


ACTS: Mapping[str, Act] = {
    "create": Act("Make", takes=("id", "assigned_to", *_CHANGES), target="url"),
    "update": Act("Change", "{0} is changed", ("url", *_CHANGES)),
    "enable": Act("Enable", "{0} is enabled"),
    "disable": Act("Disable", "{0} is disabled"),
    "delete": Act("Delete", "{0} is deleted", is_dangerous=True),
    "rotate": Act("New secret for"),
    "test": Act("Ping", "a ping is on its way to {0}"),
    "recover": Act("Recover", "{1:,} are sent once more", ("since",)),
    "replay": Act("Replay", "{1:,} are sent once more", ("since",), needs=("since",)),
    "resend": Act("Send", "{1} is sent once more", target="delivery"),
}


def text_of(name: str) -> str:
    """Return what an act does: the first line of the docstring of its call."""
    call = getattr(Webhooks, name, None) or getattr(Endpoints, name)
    return (call.__doc__ or name).partition("\n")[0].partition(" Raises")[0].replace("``", "`")


async def do(name: str, webhooks: Webhooks, target: str, written: Mapping[str, Any]) -> Any:
    """Do an act with what is given, texts as they are written; what the call returns.

    Raises:
        OptionInvalid: Something given is wrong, or missing; and what the call raises.
    """
    given = {
        n: FIELDS[n].read(one) if isinstance(one, str | tuple) else one for n, one in written.items() if one
    }
    for field in ACTS[name].needs:
        if field not in given:
            raise OptionInvalid(option=field, value="nothing", expected=FIELDS[field].note)
    if ACTS[name].target == "url":
        return await webhooks.endpoints.create(url=target, **given)
    return await getattr(webhooks if hasattr(webhooks, name) else webhooks.endpoints, name)(target, **given)


def said(name: str, target: str, result: Any) -> str:
    """Say in a line what was done."""
    if isinstance(result, EndpointSecret):
        return f"{result.endpoint.id} has a secret, which isn't shown again: {result.secret}"
    if isinstance(result, Event) and not result.deliveries:
        return f"{target} is disabled: nothing is sent"
    return ACTS[name].done.format(target, result)
