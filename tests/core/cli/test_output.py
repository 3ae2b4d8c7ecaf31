"""What is printed for people can't steer a terminal, and for programs loses nothing."""

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import click
import pytest

from sp00ky_core.cli.command import Settings
from sp00ky_core.cli.logs import one_line
from sp00ky_core.cli.output import is_terminal, show_json, show_page
from sp00ky_core.encoding.escaping import plain


def test_json_keeps_what_a_terminal_would_obey_as_an_escape(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"é": "\x1b[31m\x9b\u202e\U0001f47b"}
    show_json(document)
    shown = capsys.readouterr().out
    assert json.loads(shown) == document
    assert "é" in shown
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)


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
    settings = Settings()
    settings.json = json_wanted
    with click.Context(click.Command("list"), obj=settings):
        await show_page("jobs", records(count), *how, limit=2)


async def test_a_page_says_how_to_go_on_or_that_it_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    await shown(0, json_wanted=False)
    assert capsys.readouterr() == ("id  text\n", "none found\n")
    await shown(3, json_wanted=False)
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["id", "job:0", "job:1"]
    assert err == "there are more: --after job:1\n"
