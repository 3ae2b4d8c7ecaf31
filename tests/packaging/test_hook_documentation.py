"""Every hook says what it promises, and is exercised by a test."""

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from sp00ky_core import hookspecs
from sp00ky_core.plugins.calls import DECISIONS, MERGED, OBSERVERS, TRACED

SPECS = {
    name: value
    for name, value in vars(hookspecs).items()
    if inspect.isfunction(value) and hasattr(value, f"{hookspecs.PROJECT}_spec")
}


def test_every_hook_is_found_here() -> None:
    assert len(SPECS) == 19
    registrations = {name for name in SPECS if name.startswith("sp00ky_register_")}
    assert SPECS.keys() == OBSERVERS | DECISIONS | {MERGED, TRACED} | registrations


@pytest.mark.parametrize("name", SPECS)
def test_a_hook_says_when_it_fires_what_none_means_and_what_raising_does(name: str) -> None:
    text = " ".join((inspect.getdoc(SPECS[name]) or "").split())
    assert "Fires " in text
    assert "None " in text or "The return value is ignored" in text
    assert "Raising" in text


@pytest.mark.parametrize("name", SPECS)
def test_a_hook_is_annotated(name: str) -> None:
    signature = inspect.signature(SPECS[name])
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(each.annotation is not each.empty for each in signature.parameters.values())


@pytest.fixture(scope="session")
def implemented_in_tests(root: Path) -> Callable[[str], bool]:
    """Whether some test implements a hook."""
    texts = [path.read_text() for path in (root / "tests").rglob("test_*.py") if path != Path(__file__)]
    return lambda name: any(f"def {name}(" in text for text in texts)


@pytest.mark.parametrize("name", SPECS)
def test_a_hook_is_exercised(name: str, implemented_in_tests: Callable[[str], bool]) -> None:
    assert implemented_in_tests(name)
