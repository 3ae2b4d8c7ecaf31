"""Documents that a newcomer finishes: no page is too long, nor are all of them together.

``<!-- longer: REASON -->`` in a page lifts its limit. A word has a letter or a digit; comments don't count.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = sorted([*ROOT.glob("sp00ky_*/README.md"), *ROOT.glob("contrib/*/README.md")])
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *DISTRIBUTIONS]
LIMITS = {ROOT / "README.md": 700}
PAGE, ALL = 2_500, 45_000
"""The most words of a page, and of all together; neither is to be raised."""

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
LONGER = re.compile(r"<!-- longer: \S+ .*-->")


def words_of_lines(text: str) -> list[int]:
    """Return how many words each line has; lines within comments have none."""
    visible = COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), text)
    return [sum(bool(re.search(r"\w", word)) for word in line.split()) for line in visible.split("\n")]


def too_long(page: Path) -> str | None:
    """Return the line at which a page passes its limit, and how long it is."""
    limit, words = LIMITS.get(page, PAGE), 0
    counts = words_of_lines(page.read_text())
    for number, count in enumerate(counts, 1):
        words += count
        if words > limit:
            return f"{page.relative_to(ROOT)}:{number}: {limit} words end here, the page has {sum(counts)}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_keeps_its_length_or_says_why_not(page: Path) -> None:
    assert LONGER.search(page.read_text()) or too_long(page) is None


def test_all_pages_together_keep_theirs() -> None:
    counts = {str(page.relative_to(ROOT)): sum(words_of_lines(page.read_text())) for page in PAGES}
    longest = sorted(counts, key=lambda name: counts[name], reverse=True)[:5]
    assert sum(counts.values()) <= ALL, f"cut some of {', '.join(longest)}"


def test_what_is_too_long_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    page = tmp_path / "page.md"
    line = "ten words of a line that says nothing at all\n"
    page.write_text("# Two words\n\n<!-- not\ncounted -->\n" + line * 300)
    assert too_long(page) == "page.md:254: 2500 words end here, the page has 3002"
