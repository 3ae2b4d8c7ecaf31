"""What is printed for people can't steer a terminal, and for programs loses nothing."""

from __future__ import annotations

import json

import pytest

from sp00ky_core.cli.terminal.output import one_line, plain, show_json


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
