"""A payload that is refused is the answer 422, in FastAPI's own form."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from starlette.applications import Starlette

from sp00ky_core.asgi import payload_error_response
from sp00ky_core.errors import PayloadError, PayloadInvalid, PayloadNotJson, PayloadTooLarge, Violation

VIOLATIONS = (
    Violation(pointer="/items/0/a~1b", message="it is missing"),
    Violation(pointer="", message="no"),
)
ERRORS: dict[str, Exception] = {
    "invalid": PayloadInvalid(backend="api", path="/a", violations=VIOLATIONS),
    "surrogate": PayloadNotJson(pointer="/01/?", problem="its type is bytes"),
    "large": PayloadTooLarge(size=12, limit=10),
    "other": PayloadError("no"),
}


@pytest_asyncio.fixture(params=[FastAPI, Starlette])
async def client(request: Any) -> AsyncIterator[httpx.AsyncClient]:
    async def endpoint(request: Any) -> Any:
        raise ERRORS[request.query_params["error"]]

    app: Starlette = request.param()
    app.add_exception_handler(PayloadError, payload_error_response)
    app.add_route("/", endpoint)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        yield client


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (
            "invalid",
            [
                {"type": "payload_invalid", "loc": ["body", "items", 0, "a/b"], "msg": "it is missing"},
                {"type": "payload_invalid", "loc": ["body"], "msg": "no"},
            ],
        ),
        ("surrogate", [{"type": "payload_not_json", "loc": ["body", "01", "?"], "msg": "its type is bytes"}]),
        ("large", [{"type": "payload_too_large", "loc": ["body"], "msg": str(ERRORS["large"])}]),
        ("other", [{"type": "payload_error", "loc": ["body"], "msg": "no"}]),
    ],
)
async def test_each_violation_is_an_entry(client: httpx.AsyncClient, error: str, detail: Any) -> None:
    response = await client.get("/", params={"error": error})
    assert (response.status_code, response.json()) == (422, {"detail": detail})


async def test_another_error_stays_what_it_is() -> None:
    with pytest.raises(KeyError):
        await payload_error_response(Any, KeyError("x"))  # type: ignore[arg-type]  # no request is looked at
