"""Texts of a format are taken as Pydantic writes them, and refused where they are none."""

from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from tests.core.contract.small import field, pointers

EAST = timezone(timedelta(hours=5, minutes=30))
VALUES = [
    *(datetime(2024, 1, 31, 12, 30, 0, fraction, zone) for fraction in (0, 5) for zone in (None, UTC, EAST)),
    *(time(12, 30, 0, fraction, zone) for fraction in (0, 5) for zone in (None, UTC, EAST)),
    *(timedelta(days, seconds) for days in (-400, -1, 0, 1, 400) for seconds in (0, 1.5, 3605, 60)),
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_what_pydantic_writes_fits_the_format_that_it_writes(tmp_path: Path, value: Any) -> None:
    kind = TypeAdapter(type(value))
    schema = field(kind.json_schema(mode="serialization"))
    assert pointers(tmp_path, schema, {"a": kind.dump_python(value, mode="json")}) == []


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        (
            "date-time",
            ["no", "", "2024-01-31", "2024-02-30T00:00:00", "2024-01-31T12:30", "2024-01-31T12:30:00ZZ"],
        ),
        ("time", ["no", "", "12:30", "25:00:00", "12:30:00+02", "12:30:00ZZ"]),
        (
            "duration",
            [
                "no",
                "",
                "P",
                "PT",
                "-PT",
                "P1",
                "1D",
                "P1H",
                "PT1D",
                "P1.5D",
                "PT1S1H",
                "P1DT",
                "P1D\n",
                "P٣D",
            ],
        ),
    ],
)
def test_what_is_not_of_a_format_is_refused(tmp_path: Path, name: str, texts: list[str]) -> None:
    schema = {"additionalProperties": {"type": "string", "format": name}}
    payload = {str(10 + index): text for index, text in enumerate(texts)}
    assert pointers(tmp_path, schema, payload) == [f"/{name}" for name in payload]
