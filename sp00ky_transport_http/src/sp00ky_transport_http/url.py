"""Build the URL of a request from parts, so that it can't leave its backend. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import attrs
from yarl import URL

from sp00ky_core.contract.path_safety import climbs, path_problem

_PARAMETER = re.compile(r"\{([^{}]*)\}")
_KEPT = "/%:@!$&'()*+,;=~"  # what a path may hold unescaped; its own escapes are kept as they are


class PathRefused(Exception):
    """The job's path may not be requested; the text says why."""


class ValueRefused(Exception):
    """A value of the payload can't stand in a URL; the text says why."""


@attrs.frozen(kw_only=True)
class Place:
    """A backend's origin, and the path that everything requested of it lies under.

    Attributes:
        scheme: ``http`` or ``https``.
        authority: Host and port, without user or password.
        path: Percent-encoded, without a trailing slash: ``""`` or ``/v1``.
    """

    scheme: str
    authority: str
    path: str

    @classmethod
    def of(cls, base_url: URL) -> Place:
        """Return the place that a ``baseUrl`` names; its query and fragment, if any, count for nothing."""
        origin = base_url.origin()
        authority = str(origin).partition("://")[2].rstrip("/")
        return cls(scheme=origin.scheme, authority=authority, path=base_url.raw_path.rstrip("/"))

    def url(self, path: str, query: str = "") -> URL:
        """Return the URL of a percent-encoded path below this place.

        Raises:
            PathRefused: what came out lies elsewhere, for some reader of URLs.
        """
        url = URL.build(
            scheme=self.scheme,
            authority=self.authority,
            path=self.path + path,
            query_string=query,
            encoded=True,
        )
        self._check(url)
        return url

    def _check(self, url: URL) -> None:
        # The path was checked before and its values were escaped: this is the second lock on the same
        # door, on what will be sent instead of what it was made from.
        if (url.scheme, url.raw_authority) != (self.scheme, self.authority):
            raise PathRefused("it leaves the backend's origin")
        below = url.raw_path[len(self.path) :]
        if not url.raw_path.startswith(self.path) or not below.startswith("/") or below.startswith("//"):
            raise PathRefused("it leaves the backend's base path")
        if not below.isascii() or not below.isprintable() or " " in below or climbs(below):
            raise PathRefused("it could be read as another path")


@attrs.frozen(kw_only=True)
class RoutePath:
    """A route's path, cut at its ``{name}`` parameters.

    Attributes:
        literals: Percent-encoded; one more than there are names.
        names: Of the parameters.
    """

    literals: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, path: str) -> RoutePath:
        """Cut the path of a route.

        Raises:
            PathRefused: it may never be requested.
        """
        problem = path_problem(path)
        if problem:
            raise PathRefused(problem)
        pieces = _PARAMETER.split(path)
        return cls(
            literals=tuple(quote(piece, safe=_KEPT) for piece in pieces[::2]), names=tuple(pieces[1::2])
        )

    def filled(self, payload: Mapping[str, Any]) -> str:
        """Return the path with its parameters filled in, each as one percent-encoded segment.

        Raises:
            ValueRefused: a parameter is missing or can't be a segment.
        """
        pieces = [self.literals[0]]
        for name, literal in zip(self.names, self.literals[1:], strict=True):
            pieces += (_segment(name, payload), literal)
        return "".join(pieces)


def _segment(name: str, payload: Mapping[str, Any]) -> str:
    where = f"the path parameter {name[:80]!r}"
    if payload.get(name) is None:
        raise ValueRefused(f"{where} is missing")
    text = scalar_text(payload[name], where)
    if not text:
        raise ValueRefused(f"{where} is empty")
    if climbs(text):
        raise ValueRefused(f"{where} would name another path")
    return quote(text, safe="")


def scalar_text(value: object, where: str) -> str:
    """Return a JSON scalar as a URL has it, before it is percent-encoded: ``true``, ``7``, ``a b``.

    Raises:
        ValueRefused: an object, an array, null, or text that isn't Unicode.
    """
    if isinstance(value, str):
        if any("\ud800" <= mark <= "\udfff" for mark in value):
            raise ValueRefused(f"{where} has a lone surrogate")
        return value
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value)
    raise ValueRefused(f"{where} must be a string, a number or a boolean")
