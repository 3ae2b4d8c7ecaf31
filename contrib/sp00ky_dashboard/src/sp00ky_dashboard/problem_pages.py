"""Answer with a page that says what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sp00ky_core.errors import (
    JobNotFound,
    PayloadError,
    RowRefused,
    Sp00kyError,
    StoreClosed,
    StoreError,
    StoreUnavailable,
)
from sp00ky_dashboard.context import SCOPE_KEY
from sp00ky_dashboard.observe.cache import StillReading
from sp00ky_dashboard.rendering import render

BAD_REQUEST = 400

STATUSES: Mapping[type[Sp00kyError], tuple[int, str]] = {
    JobNotFound: (404, "This job is gone"),
    StoreUnavailable: (503, "The database can't be reached"),
    StoreClosed: (503, "The outbox isn't open"),
    StoreError: (500, ""),
    Sp00kyError: (BAD_REQUEST, ""),
}
"""The first that fits counts."""

TITLES = {
    403: "Not allowed",
    404: "There is nothing here",
    405: "Not allowed",
    421: "Another host is meant",
    500: "Something went wrong",
}

TEXTS = {
    404: "No page has this address.",
    405: "Nothing is done at this address by that method: begin at a page.",
}
"""Where no more is known."""


def problem_page(
    request: Request, status: int, text: str, headers: Mapping[str, str] | None = None, *, title: str = ""
) -> Response:
    """Return the page of a problem."""
    title = title or TITLES.get(status, "That can't be done")
    return render(request, "message.html", status=status, headers=headers, title=title, text=text)


async def http_problem(request: Request, error: Any) -> Response:
    """Answer where a page, or a way to ask for it, doesn't exist."""
    status, text = error.status_code, error.detail
    if text == HTTPStatus(status).phrase:
        text = TEXTS.get(status, f"{text}.")
    return problem_page(request, status, text, error.headers)


async def outbox_problem(request: Request, error: Any) -> Response:
    """Answer with what the outbox says."""
    context = request.scope.get(SCOPE_KEY)
    quotes = isinstance(error, RowRefused | PayloadError)
    if quotes and context is not None and context.operator.hide_payloads:
        return problem_page(request, BAD_REQUEST, "What was to be written is refused; the reason is hidden.")
    status, title = next(found for kind, found in STATUSES.items() if isinstance(error, kind))
    return problem_page(request, status, f"{error}.", title=title)


async def still_reading(request: Request, _error: Any) -> Response:
    """Answer at once; the browser asks again for the page, which comes when it has been read."""
    return render(request, "reading.html")


async def unexpected_problem(request: Request, _error: Any) -> Response:
    """Answer where there is a bug; ``Dashboard`` writes it to the log."""
    return problem_page(request, 500, "This is a bug: the server's log says more.")


HANDLERS: Mapping[Any, Any] = {
    Sp00kyError: outbox_problem,
    HTTPException: http_problem,
    StillReading: still_reading,
    Exception: unexpected_problem,
}
