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
FOLDERS = (".", "deploy", "docs", "docs/*", *(str(file.parent.relative_to(ROOT)) for file in BESIDE))
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
    for target in LINK.findall(FENCE.sub("", document.read_text())):
        if re.match(r"https?:", target):
            continue
        file, _, anchor = target.partition("#")
        path = document.parent / file if file else document
        assert path.exists(), target
        if anchor:
            assert anchor in _anchors(path), target


def _anchors(path: Path) -> set[str]:
    headings = HEADING.findall(FENCE.sub("", path.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_fences_can_be_read(document: Path) -> None:
    text = document.read_text()
    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(FENCE.findall(text))
    for language, block in FENCE.findall(text):
        READERS[language](block)
