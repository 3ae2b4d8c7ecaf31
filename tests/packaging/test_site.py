"""The documents' site: nothing public is missing, each page has its place, no picture is outdated.

The site itself is built, and looked at in a browser, by ``nox -s docs``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tools.site import navigation, public, reference
from tools.site.pages import collect, links, page_places

ROOT = Path(__file__).parents[2]
IMPORT = re.compile(r"\bfrom (sp00ky_\w+(?:\.\w+)+) import (\w+(?:, \w+)*)")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)  # what readers don't see


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    """The reference's pages."""
    return {place.as_posix(): text for place, text in reference.pages()}


def test_every_public_name_has_a_docstring() -> None:
    assert public.undocumented() == []


def test_every_public_name_is_listed_and_described_once(written: dict[str, str]) -> None:
    described = [
        line for text in written.values() for line in text.splitlines() if line.startswith("::: sp00ky")
    ]
    assert len(described) == len(set(described))
    for room in public.rooms():
        page = written[reference.page_of(room).as_posix()]
        for name in public.names(room):
            assert f"[`{name.name}`](" in page, name.path
            assert f"::: {name.path}" in described, name.path


def test_what_the_documents_import_has_a_page() -> None:
    for document in page_places():
        for room, imported in IMPORT.findall(COMMENT.sub("", document.read_text())):
            exported = {name.name for name in public.names(room)} if room in public.rooms() else set()
            assert exported.issuperset(imported.split(", ")), f"{document.name}: {room}"


def test_every_page_has_one_place(written: dict[str, str]) -> None:
    pages = [*(place.as_posix() for place in page_places().values()), *written]
    assert navigation.problems(pages, navigation.expanded(pages)) == []


def test_links_lead_to_pages_and_to_copies_of_files(tmp_path: Path) -> None:
    document = ROOT / "docs" / "operating.md"
    text = (
        "[a](../README.md#license) [b](../noxfile.py) [c](../deploy/README.md) [d](https://sp00ky.invalid)\n"
    )
    fence = "```sh\n[e](nowhere.md)\n```\n"
    places = page_places()
    rewritten = collect(text + fence, document, places, tmp_path)
    expected = "[a](index.md#license) [b](source/noxfile.py.txt) [c](deploy.md) [d](https://sp00ky.invalid)\n"
    assert rewritten == expected + fence
    assert (tmp_path / "source" / "noxfile.py.txt").read_text() == (ROOT / "noxfile.py").read_text()
    assert links(fence) == []
