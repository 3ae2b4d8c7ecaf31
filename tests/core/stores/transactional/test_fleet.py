"""What the fleet shares is read back, whatever another client has written there."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sp00ky_core.ports import SettingsRecord
from sp00ky_core.stores.transactional.fleet import settings_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"concurrency": 5}', {"concurrency": 5}),
        ("[1]", {}),
        ("nonsense", {}),
        ('{"timeout": NaN}', {}),
        ("[" * 100_000, {}),
        ('{"rate": ' + "[" * 2_000 + "]" * 2_000 + "}", {}),
        (f'{{"concurrency": {"9" * 5_000}}}', {}),
    ],
)
def test_settings_are_an_object_or_none(text: str, values: dict[str, Any]) -> None:
    assert settings_of({"settings": text, "settings_until": None}, NOW) == SettingsRecord(values=values)
