"""Answer requests of FastAPI and Starlette whose payload was refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sp00ky_core.encoding.json_bytes import steps_of
from sp00ky_core.errors import PayloadError, PayloadInvalid, PayloadNotJson, PayloadTooLarge

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import JSONResponse

__all__ = ["payload_error_response"]


async def payload_error_response(_request: Request, error: Exception) -> JSONResponse:
    """Answer 422 with a body like FastAPI's own, for a payload that was made from the request's body.

    An exception handler: ``app.add_exception_handler(PayloadError, payload_error_response)``. The body is
    ``{"detail": [{"type", "loc", "msg"}]}`` with an entry for each violation. ``loc`` is ``"body"`` and the
    steps of the violation's pointer. No value of the payload is in it.

    Raises:
        Exception: the error itself, where it is no ``PayloadError``.
    """
    from starlette.responses import JSONResponse  # noqa: PLC0415  # whoever calls this has it

    if not isinstance(error, PayloadError):
        raise error
    kind = _TYPES.get(type(error), "payload_error")
    detail = [
        {"type": kind, "loc": ["body", *_location(violation.pointer)], "msg": violation.message}
        for violation in error.violations
    ]
    return JSONResponse({"detail": detail}, status_code=422)


_TYPES: dict[type[PayloadError], str] = {
    PayloadInvalid: "payload_invalid",
    PayloadNotJson: "payload_not_json",
    PayloadTooLarge: "payload_too_large",
}


def _location(pointer: str) -> list[str | int]:
    """Return a pointer's steps; what looks like an index of a list is a number, as in FastAPI's own."""
    return [int(step) if _INDEX.fullmatch(step) else step for step in steps_of(pointer)]


_INDEX = re.compile("0|[1-9][0-9]{0,8}")
