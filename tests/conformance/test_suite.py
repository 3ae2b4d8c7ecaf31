"""The suite itself: none of its tests hides another, and what is missing is said."""

from collections import Counter

from sp00ky_conformance.store.suite import StoreConformance, StoreHarness


def test_no_part_hides_a_test_of_another() -> None:
    parts = [part for part in StoreConformance.__mro__[1:] if issubclass(part, StoreHarness)]
    names = Counter(name for part in parts for name in vars(part) if name.startswith(("test_", "_")))
    private = {name for name in names if name.startswith("__")} | {"_abc_impl"}
    assert [name for name, count in names.items() if count > 1 and name not in private] == []
