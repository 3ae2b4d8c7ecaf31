"""The conformance suite notices each fault of ``mutations``: here a test passes by failing (conftest.py)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.store_sqlite.mutations import MUTATIONS
from tests.store_sqlite.test_store import SqliteConformance

from sp00ky_conformance.store import harness
from sp00ky_conformance.store.connection import errors, interrupted, processes
from sp00ky_conformance.store.observe import liveness
from sp00ky_conformance.store.steering import pause
from sp00ky_conformance.store.suite import StoreConformance

SOON = 1.0
"""Seconds of patience with what will never happen."""


class Mutated(SqliteConformance):
    """The suite on a store with one fault."""

    mutation = ""

    @pytest.fixture(autouse=True)
    def _mutate(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (errors, harness, interrupted, liveness, pause, processes):
            monkeypatch.setattr(module, "PATIENCE", SOON)
        MUTATIONS[self.mutation].patch(monkeypatch)


def _mutated(name: str) -> type[Mutated]:
    mutation = MUTATIONS[name]
    fields: dict[str, Any] = {"mutation": name, "noticed_by": mutation.noticed_by, "make": mutation.store}
    wanted = {each.partition("[")[0] for each in mutation.noticed_by}
    fields |= dict.fromkeys({each for each in dir(Mutated) if each.startswith("test_")} - wanted)
    title = "TestWhere" + "".join(word.title() for word in re.findall(r"\w+", name))
    return type(title, (Mutated,), {**fields, "__module__": __name__, "__qualname__": title})


for _each in map(_mutated, MUTATIONS):
    globals()[_each.__name__] = _each
del _each


def test_what_must_notice_is_in_the_suite() -> None:
    names = {name.partition("[")[0] for each in MUTATIONS.values() for name in each.noticed_by}
    assert names <= set(dir(StoreConformance))
