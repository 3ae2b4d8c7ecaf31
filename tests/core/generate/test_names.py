from sp00ky_core.generate.names import Names


def test_the_first_free_name_is_taken() -> None:
    names = Names({"Any"}, separator="_")
    assert [names.unique("Any", "Other") for _ in range(3)] == ["Other", "Other_2", "Other_3"]
    assert Names({"Any"}).unique("Any") == "Any2"


def test_a_stem_is_numbered_until_all_that_is_made_of_it_is_free() -> None:
    names = Names({"Api2Calls"})
    stems = [names.stem(name, "{}Calls", "Sync{}Calls") for name in ("SyncApi", "Api", "Api")]
    assert stems == ["SyncApi", "Api3", "Api4"]
    assert names.unique("SyncApi4Calls") == "SyncApi4Calls2"
