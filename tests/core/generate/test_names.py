import keyword

import pytest
from tests.core.generate.hostile import NAMES

from sp00ky_core.generate.names import Names, attribute_name, class_name, method_name


def test_the_first_free_name_is_taken() -> None:
    names = Names({"Any"}, separator="_")
    assert [names.unique("Any", "Other") for _ in range(3)] == ["Other", "Other_2", "Other_3"]
    assert Names({"Any"}).unique("Any") == "Any2"


def test_a_stem_is_numbered_until_all_that_is_made_of_it_is_free() -> None:
    names = Names({"Api2Calls"})
    stems = [names.stem(name, "{}Calls", "Sync{}Calls") for name in ("SyncApi", "Api", "Api")]
    assert stems == ["SyncApi", "Api3", "Api4"]
    assert names.unique("SyncApi4Calls") == "SyncApi4Calls2"


@pytest.mark.parametrize("name", NAMES)
def test_any_text_makes_a_name(name: str) -> None:
    for made in (class_name(name), attribute_name(name), method_name(name) or "none"):
        assert made.isidentifier()
        assert made.isascii()
        assert not keyword.iskeyword(made)
        assert not made.startswith("_")
        assert len(made) <= 62


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/users/{id}/mail", "users_id_mail"),
        ("/", "root"),
        ("/404", "n404"),
        ("/class", "class_"),
        ("int", "int_"),
    ],
)
def test_a_path_makes_a_name(text: str, name: str) -> None:
    assert attribute_name(text) == name
