"""Names that 0.3 had: who uses one is told what to use instead."""

import importlib

import pytest

from sp00ky_core import Outbox, error_texts
from sp00ky_core.error_texts import refuse_former_name, says_former_names, who_asks_for
from sp00ky_core.sync import SyncOutbox


def test_an_import_of_what_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_texts, "FORMER_NAMES", {"ghosts.Ghost": "use Spook"})
    with pytest.raises(ImportError, match=r"^ghosts.Ghost is gone since 0.4: use Spook$"):
        refuse_former_name("ghosts", "Ghost")
    refuse_former_name("ghosts", "Spook")


def test_an_attribute_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_texts, "FORMER_NAMES", {"Ghost.haunt": "use spook()"})

    @says_former_names
    class Ghost:
        pass

    with pytest.raises(AttributeError, match=r"^Ghost.haunt is gone since 0.4: use spook\(\)$"):
        Ghost().haunt  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(Ghost, "haunt")


@pytest.mark.parametrize("owner", [Outbox, SyncOutbox])
def test_what_0_3_called_redrive_works_with_a_warning(owner: type) -> None:
    with pytest.warns(DeprecationWarning, match=f"^{owner.__name__}.redrive is called retry since 0.4$"):
        former = owner.redrive  # type: ignore[attr-defined]
    assert former is owner.retry  # type: ignore[attr-defined]


def test_other_names_are_not_gone() -> None:
    assert who_asks_for("sp00ky run") == ""


@pytest.mark.parametrize("whole", [name for name in error_texts.FORMER_NAMES if name.startswith("sp00ky_")])
def test_each_import_that_0_3_had_says_what_to_use(whole: str) -> None:
    module, _, name = whole.rpartition(".")
    with pytest.raises(ImportError) as caught:
        exec(f"from {module} import {name}", {})  # noqa: S102  # as who has it in a program
    assert str(caught.value) == who_asks_for(whole)
    with pytest.raises(AttributeError, match="no attribute 'Spook'"):
        _ = importlib.import_module(module).Spook


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("contract", "sp00ky_openapi"),
        ("contract.schema", "sp00ky_openapi"),
        ("stores.transactional.schema", "sp00ky_store_kit"),
        ("stores.memory", "sp00ky_store_kit.memory"),
        ("stores.caller_connections", "sp00ky_store_kit.caller_connections"),
    ],
)
def test_a_room_that_became_a_distribution_says_which(name: str, where: str) -> None:
    with pytest.raises(ImportError, match=rf"gone since 0\.5.* {where}"):
        importlib.import_module(f"sp00ky_core.{name}")
