"""What an adapter has to write, and what is said where a store can't do what is asked of it."""

import pytest

from sp00ky_core.errors import CallUnsupported
from sp00ky_core.ports import FLAGS, Reschedules, StoreCapabilities, has, needed
from sp00ky_store_kit import Session, TransactionalStore
from sp00ky_store_kit.memory import MemoryStore


def test_an_adapter_on_the_kit_writes_sixteen_calls_at_most() -> None:
    assert len(TransactionalStore.__abstractmethods__ | Session.__abstractmethods__) <= 16


@pytest.mark.parametrize("flag", FLAGS.values())
def test_a_flag_says_whether_a_store_has_the_calls(flag: str) -> None:
    assert getattr(StoreCapabilities(**{flag: True}), flag)


def test_what_a_store_lacks_is_said(memory_store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert has(memory_store, Reschedules) is memory_store
    monkeypatch.setattr(MemoryStore, "capabilities", StoreCapabilities(reschedules=False))
    assert has(memory_store, Reschedules) is None
    with pytest.raises(CallUnsupported, match="memory:// has no bulk: use another store"):
        needed(memory_store, Reschedules, "bulk")
