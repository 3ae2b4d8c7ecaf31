"""Run the documents: each block in Python, shell, SQL and YAML, or it says why it isn't run.

``<!-- not run: REASON -->`` on the line before a fence leaves that block out. An invisible block of Sybil's
holds what a page needs to be tried, and what is asserted of it.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sybil import Document, Example
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "docs" / "recipes"

KINDS = r"(?:python|sh|sql|surql|yaml)\n"
FENCE = re.compile(rf"^ *```{KINDS}", re.MULTILINE)
NOT_RUN = re.compile(rf"^( *<!-- not run: [^\n]+ -->\n+ *```){KINDS}", re.MULTILINE)
INVISIBLE = re.compile(r"^<!--- invisible-code-block: python$", re.MULTILINE)

RUN_ELSEWHERE: Mapping[str, Mapping[str, int]] = {
    "README.md": {"tests/e2e/test_readme.py": 3},
    "docs/acting.md": {"tests/e2e/test_operating_document.py": 7},
    "docs/configuration.md": {"tests/packaging/test_configuration_document.py": 2},
    "docs/from-sp00ky.md": {"tests/packaging/test_configuration_document.py": 1},
    "docs/operating.md": {"tests/e2e/test_operating_document.py": 7},
    "docs/plugins.md": {"tests/e2e/test_plugins_document.py": 3},
    "docs/python.md": {"tests/e2e/test_python_document.py": 7},
    "docs/row-contract.md": {
        "tests/packaging/test_row_contract.py": 4,
        "tests/store_postgres/test_documents.py": 1,
    },
    "docs/store-without-sql.md": {"tests/core/cli/test_new_adapter.py": 4},
    "docs/sync.md": {"tests/e2e/test_python_document.py": 1},
    "docs/testing.md": {"tests/e2e/test_testing_document.py": 7},
    "docs/transactions.md": {
        "tests/store_postgres/test_documents.py": 2,
        "tests/store_surreal/jobs/test_enqueue.py": 2,
    },
    "docs/transport-without-http.md": {"tests/core/cli/test_new_adapter.py": 7},
    "docs/tutorials/postgresql.md": {"tests/documents/test_tutorials.py": 14},
    "docs/tutorials/surrealdb.md": {"tests/documents/test_tutorials.py": 12},
}
"""Pages whose blocks need more than to run one after the other: which tests run how many of them."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def to_be_run(page: Path) -> int:
    """Return how many blocks of a page are not marked."""
    text = page.read_text()
    return len(FENCE.findall(text)) - len(NOT_RUN.findall(text))


WITH_BLOCKS = [
    page
    for page in (ROOT / "README.md", ROOT / "deploy" / "README.md", *sorted(ROOT.glob("docs/**/*.md")))
    if FENCE.search(page.read_text())
]
PAGES = [page for page in WITH_BLOCKS if name_of(page) not in RUN_ELSEWHERE]


def run_sql(example: Example) -> None:
    """Execute a block in the page's database."""
    example.namespace["execute"](str(example.parsed))


def write_configuration(example: Example) -> None:
    """Take a block as the project's sp00ky.yml."""
    text = str(example.parsed).replace("http://127.0.0.1:3660", example.namespace["backend"].url)
    Path("sp00ky.yml").write_text(text)


def run_shell(example: Example) -> None:
    """Run a block's commands; each must succeed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c", str(example.parsed)]
    subprocess.run(command, check=True, env=os.environ | {"PATH": path})


PARSERS = (
    PythonCodeBlockParser(),
    CodeBlockParser("sql", run_sql),
    CodeBlockParser("yaml", write_configuration),
    CodeBlockParser("sh", run_shell),
)


@pytest.mark.parametrize("page", PAGES, ids=name_of, indirect=True)
def test_a_page_does_what_it_says(page: Path, project: dict[str, Any], tmp_path: Path) -> None:
    copy = tmp_path / page.name
    copy.write_text(NOT_RUN.sub(r"\1text\n", page.read_text()))
    document = Document.parse(str(copy), *PARSERS)
    document.namespace.update(project)
    examples = list(document.examples())
    for example in examples:
        example.evaluate()
    assert len(examples) - len(INVISIBLE.findall(page.read_text())) == to_be_run(page)


def test_each_recipe_asserts_something_and_is_listed() -> None:
    pages = [page for page in RECIPES.glob("*.md") if page.name != "index.md"]
    assert all(re.search(r"^ *assert ", page.read_text(), re.MULTILINE) for page in pages)
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", (RECIPES / "index.md").read_text()))
    assert listed == {page.name for page in pages}


@pytest.mark.parametrize(("page", "tests"), RUN_ELSEWHERE.items())
def test_pages_that_are_run_elsewhere_are_run_whole(page: str, tests: Mapping[str, int]) -> None:
    assert all(Path(page).name in (ROOT / test).read_text() for test in tests)
    assert sum(tests.values()) == to_be_run(ROOT / page), "run a new block and count it here, or mark it"
