"""Let other distributions bring pages: what one is, and which the installed extensions have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from itertools import chain
from pathlib import Path

import attrs
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sp00ky_core import Outbox
from sp00ky_core.errors import PluginLoadError
from sp00ky_dashboard.operate.fleet_actions import Act
from sp00ky_dashboard.rendering import TEMPLATES


@attrs.frozen(kw_only=True)
class Page:
    """Describe a page that an extension brings.

    Whoever may see the dashboard may see it; what changes something is an act, which is confirmed.

    Attributes:
        path: Its address, which may have parameters as Starlette's: ``/webhooks/{endpoint}``.
        handler: Answers a GET, mostly by ``render``.
        name: In the navigation; empty: it has no place there.
        templates: The folder of its templates; they may extend ours.
        acts: What its buttons do, by the names that its forms send.
        for_tenants: It is in ``Dashboard.for_tenant`` too: it heeds the operator's ``tenant``, and its acts
            the one that they are called with.
    """

    path: str
    handler: Callable[[Request], Awaitable[Response]]
    name: str = ""
    templates: Path | None = None
    acts: Mapping[str, Act] = attrs.field(factory=dict)
    for_tenants: bool = False

    @property
    def route(self) -> Route:
        """What answers its requests, with its templates at hand."""

        async def answer(request: Request) -> Response:
            request.scope[TEMPLATES] = self.templates
            return await self.handler(request)

        return Route(self.path, answer)


def brought_pages(outbox: Outbox, paths: Collection[str], acts: Collection[str]) -> Sequence[Page]:
    """Return the pages of all extensions that are installed.

    Args:
        outbox: It knows the extensions.
        paths: Those that are taken.
        acts: Names of acts that are taken.

    Raises:
        PluginLoadError: An extension has none where it should, or takes what is another's.
    """
    pages = list[Page]()
    for name, extension in outbox.plugins.extensions.items():
        distribution = outbox.plugins.distribution_of(name)
        try:
            found = [*extension.pages()]
        except Exception as error:
            problem = f"its pages can't be made: {type(error).__name__}: {error}"
            raise PluginLoadError(distribution=distribution, problem=problem) from error
        for page in found:
            taken = {*paths, *(other.path for other in pages)} & {page.path}
            taken |= {*acts, *chain.from_iterable(other.acts for other in pages)} & {*page.acts}
            if taken:
                problem = f"its page {page.path} takes what is another's: {', '.join(sorted(taken))}"
                raise PluginLoadError(distribution=distribution, problem=problem)
            pages.append(page)
    return pages
