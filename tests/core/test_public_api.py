"""What may be imported from the core, and that it is documented."""

import inspect
import re
from importlib.metadata import version
from typing import get_origin

import pytest

import sp00ky_core

NAMES = [name for name in sp00ky_core.__all__ if name != "__version__"]
ALIASES = {"Outcome", "Refusal", "StatusName", "StoreFactory", "Strategy", "StrategyName", "TransportFactory"}
"""Names of types that have no docstring of their own."""


def test_each_name_is_listed_once() -> None:
    assert len(set(sp00ky_core.__all__)) == len(sp00ky_core.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_documented(name: str) -> None:
    value = getattr(sp00ky_core, name)
    if name in ALIASES:
        assert get_origin(value) is not None or hasattr(value, "__args__")
        return
    text = inspect.getdoc(value) or ""
    assert re.search(r"\w+ \w+", text)
    assert value.__doc__ is not None  # its own, not a parent's


def test_every_error_is_exported_and_has_an_exit_code() -> None:
    errors = sp00ky_core.errors
    defined = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    assert defined <= set(sp00ky_core.__all__)
    for name in defined - {"Violation"}:
        assert issubclass(getattr(sp00ky_core, name), sp00ky_core.Sp00kyError)
        assert getattr(sp00ky_core, name).exit_code in {1, 2}


def test_a_name_that_is_none_is_none() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = sp00ky_core.nothing  # type: ignore[attr-defined]
    assert set(sp00ky_core.__all__) <= set(dir(sp00ky_core))


def test_the_version_is_that_of_the_distribution() -> None:
    assert sp00ky_core.__version__ == version("sp00ky-core")
