"""The words' check: what is too long in a document is named with its line, code and comments aside."""

from __future__ import annotations

import pytest
from tools import prose

ONE = "word\n"
PARAGRAPH = "a paragraph of 81 words, at most 80: "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"# Title\n\n{ONE * 81}", (3, f"{PARAGRAPH}word")),
        (f"- short\n- {ONE * 80}", (2, f"{PARAGRAPH}- word")),
        (f"| a |\n|---|\n| {'a ' * 26}|", (3, "a table cell of 26 words, at most 25: a a a a a a")),
        (f"{'w' * 60} {'w' * 60}", (1, "a line of 121 characters, at most 120")),
        (f"- item\n\n  ```\n  {ONE * 81}\n  ```\n{ONE * 81}", (87, f"{PARAGRAPH}word")),
    ],
)
def test_what_is_too_long_is_named_with_its_line(text: str, expected: tuple[int, str]) -> None:
    assert list(prose.long(text)) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        f"```sh\n{'word ' * 81}\n```",
        f"It says:\n\n    {'word ' * 81}",
        f"<!-- {'word ' * 81}\n-->",
        f"[link](https://example.invalid/{'w' * 120})",
        f"| {'word ' * 25}| {'word ' * 25}|",
        "- one\n" * 81,
        f"{ONE * 80}\n{ONE * 80}",
        f"{ONE * 79}[link](../a.md#of-it)",
    ],
)
def test_code_comments_and_short_prose_are_not_named(text: str) -> None:
    assert list(prose.long(text)) == []
