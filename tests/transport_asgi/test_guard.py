"""Nobody on a network can make what looks like a job's call."""

from fastapi import Depends, FastAPI
from httpx import ASGITransport, AsyncClient

from sp00ky_transport_asgi import EXTENSION, is_job
from sp00ky_transport_asgi.guard import require_job

app = FastAPI()


@app.post("/receipts", dependencies=[Depends(require_job)])
def receipts() -> None: ...


async def test_a_request_of_the_network_is_not_found_whatever_it_sends() -> None:
    headers = {
        EXTENSION: "1",
        "Extensions": '{"sp00ky": {}}',
        "Idempotency-Key": "job:1",
        "Sp00ky-Attempt": "1",
    }
    async with AsyncClient(transport=ASGITransport(app), base_url="http://sp00ky") as client:
        for query in ("", "?extensions=sp00ky&sp00ky={}"):
            answer = await client.post(f"/receipts{query}", headers=headers, json={EXTENSION: {}})
            assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


def test_only_the_scope_says_that_it_is_a_job() -> None:
    assert is_job({"extensions": {EXTENSION: {"job": "job:1"}}})
    for scope in ({}, {"extensions": None}, {"extensions": {"tls": {}}}, {EXTENSION: {}}):
        assert not is_job(scope)
