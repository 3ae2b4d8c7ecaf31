"""The demo's backend fails the same way each time."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

import pytest

from sp00ky_core.cli.demo.backend import DemoBackend


def asked(backend: DemoBackend, path: str, n: int, times: int) -> list[int]:
    """The statuses that the n-th job of a route gets; 0: the connection was closed."""
    statuses: list[int] = []
    for _ in range(times):
        connection = http.client.HTTPConnection(urlsplit(backend.url).netloc)
        try:
            connection.request("POST", path, json.dumps({"n": n}), {"Idempotency-Key": f"{path}{n}"})
            answer = connection.getresponse()
            statuses.append(answer.status)
            assert (answer.getheader("Retry-After") is not None) == (answer.status == 429)
        except http.client.RemoteDisconnected:
            statuses.append(0)
        finally:
            connection.close()
    return statuses


@pytest.mark.parametrize(
    ("path", "n", "statuses"),
    [
        ("/spookify", 5, [200]),
        ("/spookify", 1, [500, 500, 200]),
        ("/spookify", 2, [429, 200]),
        ("/spookify", 3, [0, 0, 200]),
        ("/spookify", 40, [500] * 4),
        ("/charge-payment", 17, [500]),
        ("/charge-payment", 18, [200]),
        ("/chat", 0, [200]),
    ],
)
def test_what_each_request_of_a_job_gets(path: str, n: int, statuses: list[int]) -> None:
    with DemoBackend.started() as backend:
        assert asked(backend, path, n, len(statuses)) == statuses
    assert backend.requests == {f"{path}{n}": len(statuses)}
    assert backend.answered[f"{path}{n}"] == statuses.count(200)
