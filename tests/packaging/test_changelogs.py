"""Changelogs are rendered once for each version."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools import release
from tools.release import Distribution

RENDERED = "# {name} 0.2.0 (2026-11-26)\n\n## Features\n\n- It ships.\n"


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the distributions for which towncrier is run, in place of it."""
    names: list[str] = []
    monkeypatch.setattr(release, "towncrier", lambda each, *_: names.append(each.name))
    return names


def distribution(folder: Path, *, has_section: bool, has_fragment: bool) -> Distribution:
    """Make a distribution of the folder's name."""
    (folder / "changelog.d").mkdir(parents=True)
    (folder / "CHANGELOG.md").write_text(RENDERED.format(name=folder.name) if has_section else "")
    if has_fragment:
        (folder / "changelog.d" / "+new.feature.md").write_text("It sails.")
    return Distribution(
        folder=folder, name=folder.name, version="0.2.0", dependencies=(), extras={}, pythons=()
    )


def test_a_changelog_that_has_the_version_stays_as_it_is(tmp_path: Path, rendered: list[str]) -> None:
    known = distribution(tmp_path / "known", has_section=True, has_fragment=False)
    changed = distribution(tmp_path / "changed", has_section=False, has_fragment=True)
    unchanged = distribution(tmp_path / "unchanged", has_section=False, has_fragment=False)
    release.render([known, changed, unchanged])
    assert rendered == ["changed", "unchanged"]


def test_a_fragment_beside_the_versions_section_is_refused(tmp_path: Path, rendered: list[str]) -> None:
    late = distribution(tmp_path / "late", has_section=True, has_fragment=True)
    changed = distribution(tmp_path / "changed", has_section=False, has_fragment=True)
    with pytest.raises(SystemExit, match=r"late/changelog\.d/\+new\.feature\.md"):
        release.render([changed, late])
    assert rendered == []
