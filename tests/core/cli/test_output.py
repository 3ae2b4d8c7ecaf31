"""What is printed for people can't steer a terminal, and for programs loses nothing."""

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from sp00ky_core.cli.logs import one_line
from sp00ky_core.cli.output import is_terminal, show_json, show_page, show_rows
from sp00ky_core.encoding.printable import plain


def test_json_keeps_what_a_terminal_would_obey_as_an_escape(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"é": "\x1b[31m\x9b\u202e\U0001f47b"}
    show_json(document)
    shown = capsys.readouterr().out
    assert json.loads(shown) == document
    assert "é" in shown
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)


def test_lines_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows(["id", "empty", "status"], [["job:1", None, "failed"], ["job:123", "", "\x07"]])
    assert capsys.readouterr().out.splitlines() == [
        "id       empty  status",
        "job:1           failed",
        "job:123         \ufffd",
    ]


@pytest.mark.parametrize(
    ("cell", "shown"), [(None, ""), (0, "0"), ("a\x1b\n\u2028b", "a\ufffd\ufffd\ufffdb"), ("é", "é")]
)
def test_a_cell(cell: object, shown: str) -> None:
    assert plain(cell) == shown


def test_one_line_has_no_break() -> None:
    assert one_line("a\n\n b\t\x1bc ") == "a b \ufffdc"


def test_a_closed_stream_is_no_terminal() -> None:
    assert not is_terminal(None)


async def records(count: int) -> AsyncIterator[SimpleNamespace]:
    for number in range(count):
        yield SimpleNamespace(id=f"job:{number}", text="a\nb", more={"n": [number, {}]})


async def shown(count: int, *, json_wanted: bool) -> None:
    how: Any = (vars, ["id", "text"], lambda item: (item.id, item.text))
    await show_page("jobs", records(count), *how, limit=2, json_wanted=json_wanted)


async def test_a_page_says_how_to_go_on_or_that_it_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    await shown(0, json_wanted=False)
    assert capsys.readouterr() == ("id  text\n", "none found\n")
    await shown(3, json_wanted=False)
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["id", "job:0", "job:1"]
    assert err == "there are more: --after job:1\n"


@pytest.mark.parametrize(("count", "following"), [(0, None), (1, None), (2, None), (3, "job:1")])
async def test_a_page_as_json_is_one_document(
    count: int, following: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    await shown(count, json_wanted=True)
    out, err = capsys.readouterr()
    page = [vars(record) async for record in records(min(count, 2))]
    assert (out, err) == (json.dumps({"jobs": page, "next": following}, indent=2) + "\n", "")
