from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sp00ky_core.errors import OptionInvalid
from sp00ky_dashboard.durations import duration_of, instant_of


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("10 M", 600), ("6h", 21_600), ("2d", 172_800), ("1w", 604_800), ("0s", 0)]
    + [(each, None) for each in ("", "10", "-1h", "1.5h", "999999999w", "h")],
)
def test_durations(written: str, seconds: float | None) -> None:
    assert duration_of(written) == seconds


def test_instants() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert instant_of("since", "2026-01-31T12:00") == noon
    assert instant_of("since", "2026-01-31t13:00+01:00") == noon
    assert instant_of("since", " ") is None
    ago = instant_of("since", "2h")
    assert ago is not None
    assert timedelta(hours=2) <= datetime.now(UTC) - ago < timedelta(hours=3)
    with pytest.raises(OptionInvalid, match="since"):
        instant_of("since", "soon")
