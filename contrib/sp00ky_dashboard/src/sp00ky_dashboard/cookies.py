"""Set cookies that only this dashboard gets back."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

SESSION = "sp00ky_session"
"""Of a browser that is signed in."""


def set_cookie(
    response: Response, request: Request, name: str, value: str, *, seconds: int | None = None
) -> None:
    """Set a cookie for this dashboard's paths: scripts can't read it, other sites' requests don't carry it.

    ``seconds``: it is kept for so long; None: until the browser is closed.
    """
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=request.scope.get("root_path", "") or "/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
