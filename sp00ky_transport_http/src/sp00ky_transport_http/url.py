"""Build the URL of a request from parts, so that it can't leave its backend. Pure."""

from __future__ import annotations

import attrs
from yarl import URL

from sp00ky_openapi.safety import climbs


class PathRefused(Exception):
    """The job's path may not be requested; the text says why."""


class ValueRefused(Exception):
    """The payload is none; the text says why."""


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
