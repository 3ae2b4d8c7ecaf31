"""What the fleet shares is read back, whatever another client has written there."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sp00ky_core.ports import SettingsRecord
from sp00ky_store_kit.breakers_and_pauses import settings_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "values", "problem"),
    [
        ('{"concurrency": 5}', {"concurrency": 5}, None),
        ("[1]", {}, "it is no JSON object"),
        ("nonsense", {}, "it is no JSON object"),
        ('{"timeout": NaN}', {}, "it is no JSON object"),
        ("[" * 8_000, {}, "it is no JSON object"),
        (f'{{"concurrency": {"9" * 5_000}}}', {}, "it is no JSON object"),
        (f'{{"concurrency": 5, "": {"9" * 9_000}}}', {}, "it is over 8,192 bytes"),
    ],
)
def test_settings_are_an_object_or_none(text: str, values: dict[str, Any], problem: str | None) -> None:
    record = SettingsRecord(values=values, ignored={"settings": problem} if problem else {})
    assert settings_of({"settings": text, "settings_until": None}, NOW) == record
