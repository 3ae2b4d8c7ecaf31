"""Check what errors say, and what they carry."""

import pytest

from sp00ky_core.error_texts import install_hint, nearest, shown


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("name", "known", "says"),
    [
        ("apj", ["mail", "api"], "did you mean 'api'?"),
        ("zzz", ["mail", "api"], "known: 'api', 'mail'"),
        ("zzz", [], "none is known"),
        ("zzz", list("abcdefghij"), "known: 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'"),
        ("zzz", list("abcdefghijkl"), "known: 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', and 2 more"),
    ],
)
def test_the_nearest_name(name: str, known: list[str], says: str) -> None:
    assert nearest(name, known) == says


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\n", "'a\\n'"),
        ("x" * 100, "'" + "x" * 79),
        ("\ud800", "'\\ud800'"),
        pytest.param(10**5_000, "int", id="more digits than Python writes"),
        (Unprintable(), "Unprintable"),
    ],
)
def test_a_value_as_it_is_shown(value: object, text: str) -> None:
    assert shown(value) == text


def test_how_a_distribution_is_installed() -> None:
    hint = install_hint("sp00ky-core[metrics]")
    assert hint.startswith("pip install sp00ky-core[metrics], once it is published; until then ")
    assert "pip install './sp00ky_core[metrics]'," in hint
