"""Say what an endpoint and an event are, which topics meet, and whether a payload passes a filter. Pure."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from sp00ky_core import Job
from sp00ky_core.config import RateConfig, short_rate
from sp00ky_core.errors import OptionInvalid, Sp00kyError

__all__ = ["Endpoint", "EndpointNotFound", "EndpointSecret", "Event", "Target", "passes", "patterns_of"]

WORD = "[a-z0-9_-]+"
TOPIC = re.compile(rf"(?=.{{1,190}}\Z){WORD}(\.{WORD})*")
PATTERN = re.compile(rf"(?=.{{1,190}}\Z)(#|({WORD}|\*)(\.({WORD}|\*))*(\.#)?)")
ID = re.compile("[A-Za-z0-9_-]{1,64}")
MOST_WORDS = 8
"""Of a topic: so many words have at most 767 patterns."""
LONGEST_ASSIGNED = 255
MOST_TOPICS = 100
"""Of an endpoint."""
DISABLED_TOPIC = "sp00ky.endpoint.disabled"


@attrs.frozen(kw_only=True)
class Endpoint:
    """An address that events are sent to, without what is secret of it.

    Attributes:
        id: Its name, also in the path of its deliveries.
        url: Where its requests go.
        topics: Patterns: ``order.paid``, ``order.*`` for any one word, ``order.#`` for the rest.
        assigned_to: Whose it is: it gets the events that are assigned to the same one.
        filter: By JSON pointer, what a payload must have there: a value, or one of a list.
        headers: The names of its own headers.
        rate: Requests in a time that each runner sends it, such as ``20/s``.
        enabled: It gets deliveries.
        disabled_reason: Why it doesn't.
        failing_since: When the first of nothing but failures was.
        not_before: Deliveries that are published wait until then, for it is down or asked for a rest.
        created_at: When it was made.
        updated_at: When it was changed.
    """

    id: str
    url: str
    topics: tuple[str, ...] = ()
    assigned_to: str | None = None
    filter: Mapping[str, Any] | None = None
    headers: tuple[str, ...] = ()
    rate: str | None = None
    enabled: bool = True
    disabled_reason: str | None = None
    failing_since: datetime | None = None
    not_before: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@attrs.frozen(kw_only=True)
class EndpointSecret:
    """An endpoint with a secret that is shown once.

    Attributes:
        endpoint: The endpoint.
        secret: Signs its requests; for its owner.
    """

    endpoint: Endpoint
    secret: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Event:
    """An event that was published.

    Attributes:
        id: Its own; receivers see it as ``webhook-id``.
        topic: What has happened.
        assigned_to: To whom.
        deliveries: The ids of its jobs, one for each endpoint that it is for.
    """

    id: str
    topic: str
    assigned_to: str | None = None
    deliveries: tuple[str, ...] = ()

    def made(self, jobs: Sequence[Job]) -> Event:
        """Return it with the ids of its jobs."""
        return attrs.evolve(self, deliveries=tuple(job.id for job in jobs))


@attrs.frozen(kw_only=True)
class Target:
    """What a delivery needs of an endpoint; what an application's own function returns.

    Attributes:
        url: Where the request goes.
        secrets: Each signs it; ``whsec_`` and base64.
        headers: Its own.
        assigned_to: Whose it is; an application's own function needn't say it.
        rate: Requests in a time that each runner sends it, such as ``20/s``; None: as configured.
        enabled: It gets deliveries.
        failing_since: When the first of nothing but failures was.
        version: Another one where it has changed.
    """

    url: str
    secrets: tuple[str, ...] = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    assigned_to: str | None = None
    rate: str | None = None
    enabled: bool = True
    failing_since: datetime | None = None
    version: object = None


@attrs.define(kw_only=True, eq=False)
class EndpointNotFound(Sp00kyError):
    """There is no such endpoint, or it is another tenant's.

    Attributes:
        endpoint: Its id, as asked for.
    """

    endpoint: str

    def __str__(self) -> str:
        return f"there is no endpoint {self.endpoint[:70]!r}; `sp00ky webhooks list` lists them"


def rate_of(text: object) -> RateConfig:
    """Read a rate such as ``20/s`` or ``300/5m``. Raises ``OptionInvalid``."""
    try:
        return short_rate(text)
    except ValueError as problem:
        raise OptionInvalid(option="rate", value=repr(text)[:70], expected=str(problem)) from None


def new_id(prefix: str) -> str:
    """Make an id of an endpoint or an event."""
    return f"{prefix}_{secrets.token_hex(12)}"


def checked_id(option: str, value: object) -> str:
    """Return an id. Raises ``OptionInvalid``."""
    return _matching(ID, option, value, "letters, digits, _ and -, at most 64")


def checked_topic(topic: object, declared: Iterable[str] = ()) -> str:
    """Return a topic that may be published. Raises ``OptionInvalid``."""
    expected = f"at most {MOST_WORDS} words of a-z, 0-9, _ and -, joined by dots, such as order.paid"
    text = _matching(TOPIC, "topic", topic, expected)
    if text.count(".") >= MOST_WORDS:
        raise OptionInvalid(option="topic", value=repr(text[:70]), expected=expected)
    known = [*declared]
    if known and text not in known and text != DISABLED_TOPIC:
        raise OptionInvalid(option="topic", value=repr(text), expected=f"one of {', '.join(known)[:200]}")
    return text


def checked_patterns(topics: Sequence[str], declared: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the patterns of an endpoint, each once. Raises ``OptionInvalid``, if no event meets one."""
    if isinstance(topics, str) or not 0 < len(topics) <= MOST_TOPICS:
        raise OptionInvalid(option="topics", value=repr(topics)[:70], expected=f"1 to {MOST_TOPICS} topics")
    expected = "a topic, with * for one word and # for the rest, such as order.*"
    patterns = tuple(dict.fromkeys(_matching(PATTERN, "topics", topic, expected) for topic in topics))
    known = [*declared]
    met = {pattern for topic in (*known, DISABLED_TOPIC) for pattern in patterns_of(topic)}
    for pattern in patterns if known else ():
        if pattern not in met:
            raise OptionInvalid(
                option="topics", value=repr(pattern), expected=f"one that meets {', '.join(known)[:200]}"
            )
    return patterns


def checked_owner(assigned_to: object) -> str | None:
    """Return whom something is assigned to. Raises ``OptionInvalid``."""
    if assigned_to is None:
        return None
    expected = f"a text of 1 to {LONGEST_ASSIGNED} characters, such as tenant:7"
    return _matching(
        re.compile(rf"[^\x00-\x1f]{{1,{LONGEST_ASSIGNED}}}"), "assigned_to", assigned_to, expected
    )


def checked_filter(given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return a filter. Raises ``OptionInvalid``."""
    if given is None:
        return None
    expected = 'JSON pointers with a value or a list of values each, such as {"/currency": ["EUR", "CHF"]}'
    is_one = isinstance(given, Mapping) and 0 < len(given) <= MOST_WORDS
    if not is_one or not all(_is_pointer(name) and _are_scalars(value) for name, value in given.items()):
        raise OptionInvalid(option="filter", value=repr(given)[:70], expected=expected)
    return dict(given)


def passes(payload: Any, conditions: Mapping[str, Any] | None) -> bool:
    """Tell whether a payload has what a filter asks for."""
    for pointer, wanted in (conditions or {}).items():
        found = _at(payload, pointer)
        if not any(type(one) is type(found) and one == found for one in _listed(wanted)):
            return False
    return True


def patterns_of(topic: str) -> list[str]:
    """List every pattern that a topic meets: an index finds the endpoints by them."""
    begun, found = [""], ["#"]
    for word in topic.split("."):
        begun = [f"{before}{one}." for before in begun for one in (word, "*")]
        found += [f"{before}#" for before in begun]
    return [*found, *(before[:-1] for before in begun)]


def _matching(pattern: re.Pattern[str], option: str, value: object, expected: str) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise OptionInvalid(option=option, value=repr(value)[:70], expected=expected)
    return value


def _is_pointer(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"(/([^~/]|~[01])*){1,20}", text) is not None


def _listed(wanted: Any) -> Sequence[Any]:
    return wanted if isinstance(wanted, list | tuple) else (wanted,)


def _are_scalars(value: Any) -> bool:
    return all(one is None or isinstance(one, str | int | float | bool) for one in _listed(value))


_NOTHING = object()


def _at(value: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value.get(name, _NOTHING)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return _NOTHING
    return value
