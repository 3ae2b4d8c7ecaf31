"""The names in Python are those that the schema's files define."""

import re
from importlib.resources import files

import pytest

from sp00ky_store_surreal.schema import introspection as definition


def defined(what: str, *names: str) -> set[str]:
    folder = files("sp00ky_store_surreal").joinpath("schema")
    text = "".join(folder.joinpath(f"{name}.surql").read_text(encoding="utf-8") for name in names)
    return set(re.findall(rf"DEFINE {what} (?:OVERWRITE |IF NOT EXISTS )?(\w+)", text))


@pytest.mark.parametrize(
    ("names", "what", "named"),
    [
        (definition.OUR_FIELDS | definition.JOB_FIELDS, "FIELD", ("job", "job_additions")),
        (definition.OUR_INDEXES, "INDEX", ("job", "job_additions")),
        (frozenset(definition.OWN_TABLES), "TABLE", ("own_tables",)),
        (definition.RUNNER_FIELDS, "FIELD", ("own_tables",)),
    ],
)
def test_each_is_defined(names: frozenset[str], what: str, named: tuple[str, ...]) -> None:
    assert names <= defined(what, *named)
