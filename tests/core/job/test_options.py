"""One option, under whatever name a caller has for it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.job.options import check_option


@pytest.mark.parametrize(
    ("option", "value", "like"),
    [
        ("priority", 4, None),
        ("priority", "3", None),
        ("over", timedelta(seconds=-1), "delay"),
        ("at", datetime(2030, 1, 1), "expires_at"),
        ("at", datetime.max.replace(tzinfo=UTC), "expires_at"),
        ("name", "", "dedup_key"),
    ],
)
def test_what_may_not_be_is_named_as_the_caller_names_it(option: str, value: Any, like: str | None) -> None:
    with pytest.raises(OptionInvalid, match=f"^{option} is "):
        check_option(option, value, like=like)
