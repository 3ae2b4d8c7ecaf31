"""How long an attempt and a probe of a table may take, and what options don't show."""

import pytest

from sp00ky_core.ports import JobTable, StoreOptions


@pytest.mark.parametrize(
    ("overridable", "said", "seconds"),
    [
        (False, None, 10.0),
        (False, 99.0, 10.0),
        (True, None, 10.0),
        (True, 99.0, 99.0),
        (True, 0.0, 1.0),
        (True, 1e9, 86_400.0),
    ],
)
def test_an_attempt(overridable: bool, said: float | None, seconds: float) -> None:
    table = JobTable(backend="api", table="job", timeout_overridable=overridable)
    assert table.attempt_timeout(said) == seconds


def test_a_password_is_not_shown() -> None:
    assert "passw0rd" not in repr(StoreOptions(url="ws://root:passw0rd@host/a/b", tables=()))
