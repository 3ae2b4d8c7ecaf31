"""Names that 0.3 had: who uses one is told what to use instead."""

import pytest

from sp00ky_core import Outbox, former_names
from sp00ky_core.former_names import refuse_former_name, says_former_names, who_asks_for
from sp00ky_core.sync import SyncOutbox


def test_an_import_of_what_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(former_names, "FORMER_NAMES", {"ghosts.Ghost": "use Spook"})
    with pytest.raises(ImportError, match=r"^ghosts.Ghost is gone since 0.4: use Spook$"):
        refuse_former_name("ghosts", "Ghost")
    refuse_former_name("ghosts", "Spook")


def test_an_attribute_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(former_names, "FORMER_NAMES", {"Ghost.haunt": "use spook()"})

    @says_former_names
    class Ghost:
        pass

    with pytest.raises(AttributeError, match=r"^Ghost.haunt is gone since 0.4: use spook\(\)$"):
        Ghost().haunt  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(Ghost, "haunt")


@pytest.mark.parametrize("owner", [Outbox, SyncOutbox])
def test_what_0_3_called_redrive(owner: type) -> None:
    name = owner.__name__
    with pytest.raises(AttributeError, match=f"^{name}.redrive is gone since 0.4: use {name}.retry$"):
        owner.redrive  # type: ignore[attr-defined]  # noqa: B018
    assert hasattr(owner, "retry")


def test_other_names_are_not_gone() -> None:
    assert who_asks_for("sp00ky run") == ""
