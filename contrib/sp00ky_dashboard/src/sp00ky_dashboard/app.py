"""Serve the dashboard: an ASGI application of its own, or mounted in another."""

from __future__ import annotations

import logging
from collections.abc import Collection
from functools import partial
from typing import Any, Self

import attrs
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from sp00ky_core import Outbox
from sp00ky_core.errors import OptionInvalid, StoreError
from sp00ky_dashboard.access.authentication import Authenticate, identified
from sp00ky_dashboard.access.authorization import Operator
from sp00ky_dashboard.access.origin import problem_of
from sp00ky_dashboard.context import SCOPE_KEY, Context
from sp00ky_dashboard.observe import cache
from sp00ky_dashboard.observe.cache import Cache
from sp00ky_dashboard.operate.fleet_actions import FLEET_ACTS, Act
from sp00ky_dashboard.operate.job_actions import JOB_ACTS, JobAct
from sp00ky_dashboard.pages import FOR_TENANTS, NAVIGATION, ROUTES
from sp00ky_dashboard.pages.event_stream import Live, look
from sp00ky_dashboard.pages.page import brought_pages
from sp00ky_dashboard.problem_pages import HANDLERS, problem_page, unexpected_problem

__all__ = ["Dashboard"]

logger: logging.Logger = logging.getLogger(__name__)

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Nothing inline, nothing from elsewhere, in no frame."""

NO_STORE = "no-store"
"""Pages show payloads: no cache keeps them."""


class Dashboard:
    """The dashboard of one outbox, as an ASGI application.

    Whoever mounts it opens the outbox before, and closes it after. Nothing is read while none looks.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        auth: Authenticate,
        read_only: bool = True,
        hide_payloads: bool = False,
        allowed_hosts: Collection[str] = (),
        _is_tenants: bool = False,
    ) -> None:
        """Make it.

        Args:
            outbox: Open while requests come.
            auth: Says who asks: ``TokenAuth``, ``HeaderAuth``, or a function of yours that takes a Starlette
                ``Request`` and returns a name, an ``Operator``, None or a response.
            read_only: Operators can change nothing.
            hide_payloads: Payloads, results and the reasons of errors aren't shown.
            allowed_hosts: Names in the browser's address bar that this is served under; ``*``: all, for
                where your application checks ``Host``. ``localhost`` and addresses always are.

        Raises:
            OptionInvalid: Without ``auth``: the dashboard isn't for everybody.
            PluginLoadError: An extension's pages can't be made, or take what is another's.
        """
        given: object = auth
        if not callable(given):
            expected = "TokenAuth, HeaderAuth, or a function that says who asks"
            raise OptionInvalid(option="auth", value=type(given).__name__, expected=expected)
        outbox = outbox.acting_through("dashboard")
        self._auth = auth
        self._allowed_hosts = frozenset(allowed_hosts)
        self._is_tenants = _is_tenants
        acts: dict[str, JobAct | Act] = {**JOB_ACTS, **FLEET_ACTS}
        pages = [*brought_pages(outbox, [route.path for route in ROUTES], acts)]
        if _is_tenants:
            acts, pages = {}, [brought for brought in pages if brought.for_tenants]
        for brought in pages:
            acts |= brought.acts
        shown = [(brought.path, brought.name) for brought in pages if brought.name]
        shared = Cache()
        live = Live(outbox, partial(look, outbox, shared))
        self._shared = Context(
            outbox=outbox,
            live=live,
            cache=shared,
            acts=acts,
            navigation=shown if _is_tenants else [*NAVIGATION[:-1], *shown, NAVIGATION[-1]],
            operator=Operator(name=None, read_only=read_only, hide_payloads=hide_payloads),
        )
        own = [*FOR_TENANTS, Route("/", self._first)] if _is_tenants else ROUTES
        handlers = {**HANDLERS, StoreError: unexpected_problem} if _is_tenants else HANDLERS
        routes = [*own, *(brought.route for brought in pages)]
        self._pages = Starlette(routes=routes, exception_handlers=handlers)

    @classmethod
    def for_tenant(
        cls,
        outbox: Outbox,
        *,
        auth: Authenticate,
        read_only: bool = False,
        hide_payloads: bool = False,
        allowed_hosts: Collection[str] = (),
    ) -> Self:
        """Make one for the tenants of an application: each sees and changes what is theirs, and nothing else.

        It has the pages that extensions bring for tenants, such as those of webhooks.

        Args:
            outbox: See ``Dashboard``, as for the others.
            auth: Says which tenant asks, as jobs and endpoints are ``assigned_to``: ``tenant:7``. Or an
                ``Operator`` with that ``tenant`` and the name of the person, for the audit.
            read_only: Tenants can change nothing.
            hide_payloads: No payload and no reason of an error is shown.
            allowed_hosts: Names in the browser's address bar that this is served under.
        """
        limits: dict[str, Any] = {"read_only": read_only, "hide_payloads": hide_payloads}
        return cls(outbox, auth=auth, allowed_hosts=allowed_hosts, _is_tenants=True, **limits)

    async def _first(self, request: Request) -> Response:
        """Lead on to the first page that tenants have."""
        paths = [path for path, _ in self._shared.navigation]
        if not paths:
            raise HTTPException(404)
        return RedirectResponse(request.scope.get("root_path", "") + paths[0], 303)

    def close(self) -> None:
        """End the streams to browsers, which else keep a server from stopping."""
        self._shared.live.close()

    async def aclose(self) -> None:
        """End the streams, and interrupt the operations in the background, before the outbox is closed."""
        self.close()
        await self._shared.bulk.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        request, started = Request(scope, receive), False
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        is_static = path.startswith("/static/")

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "max-age=31536000, immutable" if is_static else NO_STORE)
            await send(message)

        try:
            answer = await self._answer(request, is_static=is_static)
            await answer(scope, receive, sending)
        except ClientDisconnect:
            logger.debug("%s %s: the client is gone", request.method, path)
        except Exception:
            logger.exception("%s %s failed", request.method, path)
            if not started:  # the host application's `auth`
                answer = await unexpected_problem(request, None)
                await answer(scope, receive, sending)

    async def _answer(self, request: Request, *, is_static: bool) -> Any:
        """Return what answers a request that is let in, or the refusal."""
        if problem := problem_of(request, self._allowed_hosts):
            return problem_page(request, *problem)
        if is_static:
            return self._pages
        try:
            answer = await identified(self._auth, request)
        except HTTPException as error:
            return problem_page(request, error.status_code, error.detail, error.headers)
        if isinstance(answer, Response):
            return answer
        if self._is_tenants and not (answer.tenant or answer.name):
            return problem_page(request, 403, "It isn't known whose pages these are.")
        tenant = (answer.tenant or answer.name) if self._is_tenants else None
        operator = attrs.evolve(answer.within(self._shared.operator), tenant=tenant)
        patience = None if "hx-request" in request.headers else cache.PATIENCE
        request.scope[SCOPE_KEY] = attrs.evolve(self._shared, operator=operator, patience=patience)
        return self._pages
