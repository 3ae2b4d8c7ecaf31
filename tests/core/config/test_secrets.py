"""A secret is in no output."""

from __future__ import annotations

from sp00ky_core.config.secrets import Secret


def test_it_is_never_shown() -> None:
    secret = Secret("passw0rd")
    assert {str(secret), repr(secret), f"{secret}", f"{[secret]}"} == {"Secret('***')", "[Secret('***')]"}
    assert secret.value == "passw0rd"
    assert secret == Secret("passw0rd") != Secret("another")
