"""The documents' site: nothing public is missing, each page has its place, no picture is outdated.

The site itself is built, and looked at in a browser, by ``nox -s docs``.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from tools.site import navigation, public, reference, schema
from tools.site.markdown import relative
from tools.site.pages import collect, links, page_places, stage

from sp00ky_core.config import RateConfig

ROOT = Path(__file__).parents[2]
IMPORT = re.compile(r"\bfrom (sp00ky_\w+(?:\.\w+)+) import (\w+(?:, \w+)*)")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)  # what readers don't see


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    """The reference's pages."""
    return {place.as_posix(): text for place, text in reference.pages()}


def test_a_docstring_is_read_alike_with_and_without_its_indentation() -> None:
    """Python 3.13 takes it away."""

    class Dedented:
        __doc__ = inspect.cleandoc(RateConfig.__doc__ or "")

    assert schema._attributes(Dedented) == schema._attributes(RateConfig)
    assert set(schema._attributes(Dedented)) == {"limit", "per", "burst"}


def test_every_public_name_has_a_docstring() -> None:
    assert public.undocumented() == []


def test_a_public_name_without_a_docstring_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = public.PublicName(room="sp00ky_core", name="Ghost", target="sp00ky_core.ghost.Ghost", text=None)
    monkeypatch.setattr(public, "rooms", lambda: ["sp00ky_core"])
    monkeypatch.setattr(public, "names", lambda _: [bare])
    assert public.undocumented() == ["sp00ky_core.ghost.Ghost"]


def test_every_public_name_is_listed_and_described_once(written: dict[str, str]) -> None:
    described = [
        line for text in written.values() for line in text.splitlines() if line.startswith("::: sp00ky")
    ]
    assert len(described) == len(set(described))
    for room in public.rooms():
        page = written[reference.page_of(room).as_posix()]
        for each in public.names(room):
            assert f"[`{each.name}`](" in page, each.target
            assert f"::: {each.target}" in described, each.target


def test_what_the_documents_import_has_a_page() -> None:
    for document in page_places():
        for room, imported in IMPORT.findall(COMMENT.sub("", document.read_text())):
            exported = {each.name for each in public.names(room)} if room in public.rooms() else set()
            assert exported.issuperset(imported.split(", ")), f"{document.name}: {room}"


def test_the_rooms_are_found() -> None:
    expected = {"sp00ky_core", "sp00ky_core.ports", "sp00ky_core.stores", "sp00ky_core.errors"}
    expected |= {"sp00ky_conformance", "sp00ky_dashboard", "sp00ky_store_postgres", "sp00ky_transport_http"}
    assert expected <= set(public.rooms())


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("hooks", "[`sp00ky_job_settled`](#sp00ky_core.hookspecs.sp00ky_job_settled)"),
        ("configuration", "| `giveUpOn` |"),
        ("configuration", "| `runDeadline` |"),
        ("columns", "| `lease_epoch` | `bigint` | `option<int>` | `integer` | `0` |"),
        ("metrics", "| `sp00ky_attempts_total` | counter | `backend`, `code`, `outcome` |"),
        ("errors", "[`JobNotFound`](#sp00ky_core.errors.JobNotFound)"),
        ("command-line", ":command: cli"),
        ("command-line", ":prog_name: sp00ky dashboard"),
    ],
)
def test_the_pages_say_what_the_sources_declare(written: dict[str, str], page: str, said: str) -> None:
    assert said in written[f"reference/{page}.md"]


def test_every_page_has_one_place(written: dict[str, str]) -> None:
    pages = [*(each.as_posix() for each in page_places().values()), *written]
    assert navigation.problems(pages, navigation.expanded(pages)) == []


def test_a_page_without_a_place_is_named() -> None:
    places = ["index.md", {"How-to": ["operating.md", "operating.md", "gone.md"]}]
    assert navigation.problems(["index.md", "operating.md", "lost.md"], places) == [
        "lost.md has no place in the navigation: add it to tools/site/navigation.yml",
        "tools/site/navigation.yml names gone.md, which doesn't exist",
        "tools/site/navigation.yml has two places for operating.md",
    ]


def test_a_pattern_takes_one_folder() -> None:
    pages = ["index.md", "stray.md", "recipes/webhook.md", "recipes/deep/stray.md"]
    placed = set(navigation.placed(navigation.expanded(pages)))
    assert "recipes/webhook.md" in placed
    assert not {"stray.md", "recipes/deep/stray.md"} & placed


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


def test_a_broken_link_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = ROOT / "docs" / "operating.md"
    monkeypatch.setattr("tools.site.pages.page_places", lambda: {page: Path("operating.md")})
    original = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self: "[x](nope.md)" if self == page else original(self))
    assert stage(tmp_path) == ["docs/operating.md: the link to nope.md leads nowhere"]


def test_links_between_pages_are_relative() -> None:
    assert relative(Path("reference/errors.md"), Path("reference/python/sp00ky_core.md")) == "../errors.md"


def test_the_outbox_is_shown_with_what_its_bases_have(written: dict[str, str]) -> None:
    shown = written["reference/python/sp00ky_core.outbox.md"]
    assert "::: sp00ky_core.outbox.Outbox\n    options:\n      inherited_members: true" in shown
