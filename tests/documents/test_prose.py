"""Plain English: sentences are short, first lines say whom a page is for, and each thing has one word."""

import re
from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest
from tests.documents.prose import paragraphs, sentences, without_code
from tests.documents.test_lengths import PAGES

ROOT = Path(__file__).parents[2]
LONG, LONGEST, SHARE = 25, 40, 0.05
"""Words of a sentence as a rule, at most, and how many of a page's sentences may have more than the rule."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def too_long(name: str, text: str) -> list[str]:
    """Return the sentences of a page that are too long, each with its line."""
    found = list(sentences(text))
    long = [one for one in found if one[1] > LONG]
    allowed = LONGEST if len(long) <= max(1, SHARE * len(found)) else LONG
    return [f"{name}:{line}: {count} words: {text}" for line, count, text in long if count > allowed]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_sentences_are_short(page: Path) -> None:
    assert too_long(name_of(page), page.read_text()) == []


def test_a_long_sentence_is_named_with_its_line() -> None:
    words = " ".join(["word"] * 26)
    table, code = f"| {words} |", f"```sh\n{words}\n```"
    page = f"# Title\n\n{table}\n\n{code}\n\nShort.\n{words.capitalize()}. {words.capitalize()}."
    assert [one.partition(" words")[0] for one in too_long("a.md", page)] == ["a.md:9: 26"] * 2


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "README.md"], ids=name_of)
def test_first_lines_say_whom_a_page_is_for_and_what_they_will_be_able_to_do(page: Path) -> None:
    head = re.split(r"^(?:##|\||```)", page.read_text(), flags=re.MULTILINE)[0]
    first = " ".join(text for _, text in paragraphs(head))
    assert re.match(r"For (?:(?!\. ).)*\. .*?\b[Yy]ou (?:can|know)\b", first), f"{name_of(page)}:3: {first}"


@attrs.frozen(kw_only=True)
class Unwanted:
    """A word for what has another one here.

    Attributes:
        say: The word of the vocabulary.
        pages: Where it may be used all the same: of other systems.
        phrases: What means something else.
    """

    say: str
    pages: str = "$^"
    phrases: str = "$^"


OTHERS = r"docs/(moving/|comparison|benchmarks)"
VOCABULARY: Mapping[str, Unwanted] = {
    r"tasks?": Unwanted(say="job, or function", pages=OTHERS, phrases=r"background tasks?|a task of its own"),
    r"workers?": Unwanted(
        say="runner",
        pages=OTHERS,
        phrases=r"Graphile Worker|web server with several workers|server forks its workers",
    ),
    r"daemons?|pollers?|dispatchers?": Unwanted(say="runner"),
    r"redriv\w+|requeue\w*": Unwanted(say="retry", pages="docs/upgrading"),
    r"dead[- ]letters?": Unwanted(say="failed job", pages="docs/recipes/"),
    r"visibility timeouts?": Unwanted(say="lease", pages=OTHERS),
    r"heartbeats?": Unwanted(say="beat", pages=OTHERS),
    r"ack(?:s|ed|nowledg\w+)?": Unwanted(say="settle", pages=OTHERS),
    r"(?:cancel|abort)\w* (?:a|the|its) jobs?": Unwanted(say="kill"),
    r"cron ?jobs?": Unwanted(say="schedule"),
}
"""Words that mean what the vocabulary calls otherwise; code isn't looked at."""


def misnamed(name: str, text: str) -> list[str]:
    """Return the unwanted words of a page, each with its line and what to say."""
    found = []
    for word, unwanted in VOCABULARY.items():
        phrases = re.compile(unwanted.phrases.replace(" ", r"\s+"))
        said = phrases.sub(lambda phrase: "\n" * phrase[0].count("\n"), without_code(text))
        for use in re.finditer(rf"(?<![\w-])(?:{word})(?![\w-])", said, re.IGNORECASE):
            if not re.match(unwanted.pages, name):
                line = said.count("\n", 0, use.start()) + 1
                found.append(f"{name}:{line}: {use[0]}: say {unwanted.say}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_thing_has_one_word(page: Path) -> None:
    assert misnamed(name_of(page), page.read_text()) == []


def test_an_unwanted_word_is_named_with_its_line() -> None:
    page = "# Tasks\n\n    run the worker\n\n`worker`, a background\ntask and a Worker.\n"
    assert misnamed("docs/a.md", page) == [
        "docs/a.md:1: Tasks: say job, or function",
        "docs/a.md:6: Worker: say runner",
    ]
    assert misnamed("docs/moving/a.md", page) == []
