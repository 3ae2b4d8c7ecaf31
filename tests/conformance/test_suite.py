"""The suite itself: none of its tests hides another, and what is missing is said."""

from collections import Counter

from sp00ky_conformance.store.harness import lacks
from sp00ky_conformance.store.suite import StoreConformance, StoreHarness
from sp00ky_conformance.store.user_queries import QueryConformance
from sp00ky_core.ports import Store


def test_no_part_hides_a_test_of_another() -> None:
    parts = [part for part in StoreConformance.__mro__[1:] if issubclass(part, StoreHarness)]
    names = Counter(name for part in parts for name in vars(part) if name.startswith(("test_", "_")))
    private = {name for name in names if name.startswith("__")} | {"_abc_impl"}
    assert [name for name, count in names.items() if count > 1 and name not in private] == []


def test_those_of_queries_wait_for_the_adapters() -> None:
    """An adapter's author who hasn't written ``query_of`` yet is told so, rather than shown failures."""

    class Begun(StoreConformance):
        pass

    class Written(Begun):
        def query_of(self, store: Store, table: str, what: str) -> str:
            return what

    names = [name for name in vars(QueryConformance) if name.startswith("test_")]
    assert {lacks(Begun, getattr(Begun, name)) for name in names} == {"query_of"}
    assert {lacks(Written, getattr(Written, name)) for name in names} == {None}
