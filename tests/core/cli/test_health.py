"""``sp00ky health`` as one command of many: the same as the light one, with help."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.test_sp00ky_health import answering


def test_ready(sp00ky: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = sp00ky("health", answering(b"HTTP/1.1 200 OK\r\n\r\n"))
    assert (ended.code, ended.out) == (0, "ready\n")
    monkeypatch.setenv("SP00KY_LISTEN", answering(b"HTTP/1.1 200 OK\r\n\r\n"))
    assert sp00ky("health").code == 0


def test_not_ready(sp00ky: Any) -> None:
    address = answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\nnot ready: it drains\n")
    assert sp00ky("health", address).complaint(1) == "sp00ky: not ready: it drains"


def test_no_address(sp00ky: Any) -> None:
    assert "'abc' is no address" in sp00ky("health", "abc").complaint(2)
