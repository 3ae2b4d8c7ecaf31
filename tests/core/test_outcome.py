"""What a transport reports: whether another attempt makes sense."""

from __future__ import annotations

from typing import Any

import pytest

from sp00ky_core import outcome as names
from sp00ky_core.outcome import Undelivered


@pytest.mark.parametrize(
    ("fields", "retryable"),
    [
        ({"name": names.HTTP_STATUS, "code": 500}, True),
        ({"name": names.UNKNOWN_ROUTE}, True),
        ({"name": names.INVALID_PATH}, False),
        ({"name": names.INVALID_PAYLOAD}, False),
        ({"name": names.INVALID_ROW}, False),
        ({"name": names.INVALID_ROW, "retryable": True}, True),
        ({"name": names.TIMEOUT, "retryable": False}, False),
        ({"name": "a plugin's own"}, True),
    ],
)
def test_whether_it_is_tried_again(fields: dict[str, Any], retryable: bool) -> None:
    assert Undelivered(**fields).is_retryable is retryable


@pytest.mark.parametrize(
    "fields", [{"name": None}, {"name": "x", "code": "500"}, {"name": "x", "reason": b""}]
)
def test_a_plugin_s_nonsense_is_refused_where_it_is_made(fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Undelivered(**fields)
