"""The documents: links lead somewhere, and what stands in a fence can be read by what it is written for."""

import ast
import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BESIDE = (
    *ROOT.glob("*/pyproject.toml"),
    *ROOT.glob("contrib/*/pyproject.toml"),
    *ROOT.glob("examples/*/sp00ky.yml"),
)
FOLDERS = (
    *(".", "benchmarks", "chaos", "deploy", "docs", "docs/*"),
    *(str(file.parent.relative_to(ROOT)) for file in BESIDE),
)
DOCUMENTS = sorted(path for folder in FOLDERS for path in ROOT.glob(f"{folder}/*.md"))

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def _shell(text: str) -> None:
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


READERS: dict[str, Callable[[str], object]] = {
    "python": ast.parse,
    "yaml": yaml.safe_load,
    "json": json.loads,
    "toml": tomllib.loads,
    "sh": _shell,
    # What has no reader here; the row contract's own statements are run by its test.
    "surql": str,
    "sql": str,
    "js": str,
    "mermaid": str,
}


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.fixture(params=DOCUMENTS, ids=name_of)
def document(request: pytest.FixtureRequest) -> Path:
    """Each document in turn."""
    path: Path = request.param
    return path


def test_all_documents_are_found() -> None:
    found = {name_of(file) for file in DOCUMENTS}
    assert {"README.md", "CONTRIBUTING.md", "docs/row-contract.md", "docs/architecture.md"} <= found
    assert {f"examples/{name}/README.md" for name in ("fastapi", "aiohttp", "nightly", "receiver")} <= found


def test_links_lead_somewhere(document: Path) -> None:
    text = FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), document.read_text())
    dead = [
        f"{name_of(document)}:{text.count(chr(10), 0, link.start(1)) + 1}: {link[1]}"
        for link in LINK.finditer(text)
        if not _leads_somewhere(document, link[1])
    ]
    assert dead == []


def _leads_somewhere(document: Path, target: str) -> bool:
    if re.match(r"https?:", target):
        return True
    file, _, anchor = target.partition("#")
    path = document.parent / file if file else document
    return path.exists() and (not anchor or anchor in _anchors(path))


def _anchors(path: Path) -> set[str]:
    headings = HEADING.findall(FENCE.sub("", path.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


SHIPPED = [file for folder in ("*/src", "contrib/*/src") for file in ROOT.glob(f"{folder}/**/*")]
MENTION = re.compile(r"(?<![\w/.])docs/[\w/.-]*\w(?:#[\w-]+)?")
IN_WORDS = re.compile(r"\.md has under|, under [A-Z]\w+ in")


def test_what_messages_name_is_there() -> None:
    """A message names a section by its anchor, ``docs/maintenance.md#failover``, as it can be followed."""
    texts = {
        name_of(file): file.read_text()
        for file in SHIPPED
        if file.suffix in {".py", ".sql", ".surql", ".html", ".txt", ".yml"}
    }
    mentions = {(name, each) for name, text in texts.items() for each in MENTION.findall(text)}
    assert any("#" in mention for _, mention in mentions)
    assert {
        (name, each) for name, each in mentions if not _leads_somewhere(ROOT / "README.md", each)
    } == set()
    assert [name for name, text in texts.items() if IN_WORDS.search(text)] == []


def test_fences_can_be_read(document: Path) -> None:
    text = document.read_text()
    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(FENCE.findall(text))
    for language, block in FENCE.findall(text):
        READERS[language](block)


def test_no_document_of_elsewhere_is_named() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    suffixes = (".py", ".md", ".sql", ".surql", ".toml", ".yml", ".html", ".js")
    files = [ROOT / name for name in tracked.stdout.splitlines() if name.endswith(suffixes)]
    named = re.compile(r"\b(?!README|CONTRIBUTING|CHANGELOG|SECURITY|CODE_OF_CONDUCT)[A-Z_]{4,}\.md")
    found = {str(file): named.findall(file.read_text()) for file in files if file.is_file()}
    assert {name: names for name, names in found.items() if names} == {}


RATES = {
    "with nothing sent": "Nothing sent, one process",
    "one by one": "Enqueue, one by one",
    "in batches": "Enqueue, 1,000 at a time",
    "over HTTP": "HTTP delivery, one process",
}
"""How a comparison calls what was measured, and the table of the benchmarks that has it."""


def _rates(heading: str) -> dict[str, float]:
    """Return how many jobs a second each contender makes, by what its name begins with."""
    _, _, table = (ROOT / "benchmarks/results.md").read_text().partition(f"### {heading}\n")
    rows = re.findall(r"^\| ([\w-]+) \| ([\d,]+)", table.partition("\n### ")[0], re.MULTILINE)
    return {name.replace("-", ""): float(rate.replace(",", "")) for name, rate in rows}


def _better(file: str) -> dict[str, str]:
    """Return what a comparison calls better with each peer: the last column of the table that says so."""
    _, _, table = (ROOT / file).read_text().partition("better there |\n")
    rows = re.findall(r"^\| \[?([^]|]*).*\| (.*) \|$", table.partition("\n\n")[0], re.MULTILINE)
    return {re.sub("[^a-z]", "", name.lower()): text for name, text in rows}


def test_who_is_called_faster_was_measured_so() -> None:
    found = _better("docs/comparison.md")
    claims = {peer: text for peer, text in found.items() if re.search("faster|more jobs|CPU", text)}
    assert claims
    for peer, text in claims.items():
        tasks = [table for words, table in RATES.items() if words in text]
        assert tasks, f"{peer}: {text} names nothing that was measured"
        for table in tasks:
            assert _rates(table)[peer] > _rates(table)["ours"], (peer, table)


def test_the_peers_that_were_measured_are_marked() -> None:
    text = (ROOT / "docs/comparison.md").read_text()
    marked = {
        re.sub("[^a-z]", "", name.lower())
        for name in re.findall(r"^\| \[([^]]*)\]\S* \*m\*", text, re.MULTILINE)
    }
    assert marked == {re.sub("[^a-z]", "", name) for name in _rates(RATES["over HTTP"])} - {
        "bare",
        "by",
        "ours",
    }
