"""What makes two requests the same."""

from __future__ import annotations

import attrs
from tests.receiver.stacks import request


def test_headers_are_found_whatever_their_case() -> None:
    assert request(**{"X-Team": "ghosts"}).headers["x-team"] == "ghosts"


def test_a_fingerprint_is_of_method_target_and_body() -> None:
    first = request()
    others = [attrs.evolve(first, method="PUT"), attrs.evolve(first, target="/x"), request(b"[]")]
    assert len({each.fingerprint() for each in (first, *others)}) == 4
    assert request(**{"X-Attempt": "2"}).fingerprint() == first.fingerprint()
