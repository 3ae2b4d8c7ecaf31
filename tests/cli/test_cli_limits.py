"""Options and payloads at the edges of what they may be, and past them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    "options",
    [
        ["--max-retries", str(10**25)],
        ["--max-retries", "1001"],
        ["--max-retries", "1.5"],
        ["--timeout", "-1"],
        ["--timeout", "inf"],
        ["--timeout", "86401"],
        ["--delay", "-5"],
        ["--delay", "inf"],
        ["--delay", "99999999999d"],
        ["--delay", ""],
        ["--dedup-key", ""],
        ["--dedup-key", "k" * 256],
        ["--assigned-to", ""],
        ["--assigned-to", "no record"],
        ["--retry-strategy", ""],
    ],
    ids=" ".join,
)
def test_an_option_out_of_its_range_names_itself(migrated: Path, sp00ky: Any, options: list[str]) -> None:
    line = sp00ky("call", "api", "/json", *options).complaint(2)
    words = options[0].removeprefix("--").split("-")
    assert words[0] in line.lower()
    assert "timedelta" not in line
    assert sp00ky("jobs", "list", "--json").json["jobs"] == []


@pytest.mark.parametrize("options", [["--max-retries", "1000"], ["--timeout", "86400"], ["--delay", "3650d"]])
def test_an_option_at_its_limit_is_taken(migrated: Path, sp00ky: Any, options: list[str]) -> None:
    assert sp00ky("call", "api", "/json", *options).code == 0


@pytest.mark.parametrize("option", ["--grace", "--poll"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1", "soon"])
def test_a_runner_takes_no_time_that_is_none(migrated: Path, sp00ky: Any, option: str, value: str) -> None:
    assert option in sp00ky("run", "--until-empty", option, value).complaint(2)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"\xff\xfe{", "JSON"),
        (b"", "JSON"),
        (b"[" * 100_000, "nested"),
        (b'"text"', "object"),
        (b'{"id": "\\ud800"}', "surrogate"),
        (json.dumps({"id": "x" * 2**20}).encode(), "limit"),
    ],
)
def test_a_payload_file_that_is_no_object_is_said(
    migrated: Path, sp00ky: Any, payload: bytes, said: str
) -> None:
    (migrated / "payload.json").write_bytes(payload)
    line = sp00ky("call", "api", "/json", "@payload.json").complaint(2)
    assert said in line
    assert len(line) < 300
    assert sp00ky("jobs", "list", "--json").json["jobs"] == []


@pytest.mark.parametrize("payload", ["@", "@.", "@nowhere"])
def test_a_payload_file_that_cannot_be_read_is_said(migrated: Path, sp00ky: Any, payload: str) -> None:
    assert f"PAYLOAD {payload}: " in sp00ky("call", "api", "/json", payload).complaint(2)


def test_a_payload_may_start_with_a_byte_order_mark(migrated: Path, sp00ky: Any) -> None:
    """Some editors write one."""
    (migrated / "payload.json").write_bytes(b'\xef\xbb\xbf{"id": "1"}')
    assert sp00ky("call", "api", "/json", "@payload.json", "--json").json["payload"] == {"id": "1"}


def test_hostile_text_is_shown_as_it_is_in_json_and_harmless_elsewhere(migrated: Path, sp00ky: Any) -> None:
    text = "\x1b]0;owned\x07\x9b31m\u202e\r\n[red]x[/red]"
    (migrated / "payload.json").write_text(json.dumps({"id": text}))
    job = sp00ky("call", "api", "/json", "@payload.json", "--json").json
    assert job["payload"] == {"id": text}
    for command in (["list"], ["get", job["id"]], ["get", job["id"], "--json"], ["list", "--json"]):
        shown = sp00ky("jobs", *command).out
        assert not {"\x1b", "\x07", "\x9b", "\r"} & set(shown)
    assert "[red]x[/red]" in sp00ky("jobs", "get", job["id"]).out
    assert "\u202e" not in sp00ky("jobs", "get", job["id"]).out


@pytest.mark.parametrize("command", [["get"], ["kill"], ["retry"], ["clear"]])
@pytest.mark.parametrize(
    "job_id", ["", "job:", ":", "other:1", "job:a; REMOVE TABLE job", "\x1b[31m", "job:\0"]
)
def test_an_id_that_is_none_is_not_found(
    migrated: Path, sp00ky: Any, command: list[str], job_id: str
) -> None:
    line = sp00ky("jobs", *command, job_id).complaint(1)
    assert "\x1b" not in line
    assert "<table>:<key>" in line
    assert sp00ky("jobs", "list").code == 0


def test_a_page_has_a_size(migrated: Path, sp00ky: Any) -> None:
    for limit in ("0", "-1", "10001", "many"):
        assert "--limit" in sp00ky("jobs", "list", "--limit", limit).complaint(2)
    assert sp00ky("jobs", "list", "--limit", "10000", "--json").json == {"jobs": [], "next": None}
