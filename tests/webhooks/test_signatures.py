"""Secrets, signatures, and what is encrypted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from standardwebhooks import Webhook

from sp00ky_core.errors import OptionInvalid
from sp00ky_webhooks.signatures import (
    OVERLAP,
    VARIABLE,
    Kept,
    Sealed,
    checked_secret,
    new_secret,
    rotated,
    secrets_of_text,
    secrets_to_text,
    signature_headers,
    valid,
)

NOW = datetime(2026, 12, 3, 12, 0, tzinfo=UTC)


def test_the_standards_own_library_takes_a_signature_by_any_secret() -> None:
    secrets, body = [new_secret(), new_secret()], b'{"a": 1}'
    headers = signature_headers(secrets, "evt_1", datetime.now(UTC), body)
    for secret in secrets:
        assert Webhook(secret).verify(body, headers) == {"a": 1}
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(new_secret()).verify(body, headers)


def test_two_secrets_sign_for_a_day() -> None:
    kept = rotated([Kept("old")], "new", NOW)
    assert [one.secret for one in valid(kept, NOW + OVERLAP - timedelta(seconds=1))] == ["new", "old"]
    assert [one.secret for one in valid(kept, NOW + OVERLAP)] == ["new"]
    later = rotated(kept, "newest", NOW + timedelta(hours=1))
    assert [(one.secret, one.until) for one in later[1:]] == [
        ("new", NOW + timedelta(hours=25)),
        ("old", NOW + OVERLAP),
    ]


def test_secrets_are_stored_as_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    kept = (Kept("one"), Kept("two", NOW))
    assert secrets_of_text(secrets_to_text(kept)) == kept


def test_secrets_are_encrypted_by_the_first_key_and_read_by_any(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    monkeypatch.setenv(VARIABLE, first)
    stored = secrets_to_text([Kept("whsec_hidden")])
    assert "hidden" not in stored
    monkeypatch.setenv(VARIABLE, f"{second}, {first}")
    assert secrets_of_text(stored) == (Kept("whsec_hidden"),)
    monkeypatch.setenv(VARIABLE, second)
    with pytest.raises(Sealed, match="no key"):
        secrets_of_text(stored)
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(Sealed, match="set SP00KY_SECRET_KEY"):
        secrets_of_text(stored)


def test_a_key_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(Sealed, match="webhooks key"):
        secrets_to_text([Kept("one")])


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[["a"]]', '[["a", "never"]]'])
def test_what_another_client_has_written_is_no_secret(text: str) -> None:
    with pytest.raises(Sealed, match="rotate"):
        secrets_of_text(text)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%", 7]
)
def test_a_secret_that_is_none_is_refused_and_not_quoted(secret: object) -> None:
    with pytest.raises(OptionInvalid) as refused:
        checked_secret(secret)
    assert "LaLaSw" not in str(refused.value)
    assert "c2hvcnQ" not in str(refused.value)
    assert checked_secret(new_secret())
