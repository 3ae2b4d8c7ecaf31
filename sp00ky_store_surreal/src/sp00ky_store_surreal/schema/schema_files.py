"""Load the definitions of the job table, with what clients may do with each field."""

from __future__ import annotations

import re
from importlib.resources import files

from sp00ky_store_surreal.surql.loader import filled

PERMISSIONS = {
    "job": " PERMISSIONS FOR create, select FULL FOR update WHERE false;",
    "job_additions": " PERMISSIONS FOR select FULL FOR create, update WHERE false;",
}
"""What clients may do with a field whose definition in a schema file doesn't say it."""


def steps_of(schema: str, **names: str) -> list[tuple[str, str]]:
    """Load a schema file's statements, each with its reason (the comment above it)."""
    text = filled(_definitions(schema), names)
    steps = []
    for block in filter(None, map(str.strip, text.split("\n\n"))):
        why, _, statement = block.partition("\n")
        if statement.startswith("DEFINE FIELD IF NOT EXISTS") and "PERMISSIONS" not in statement:
            statement = statement.removesuffix(";") + PERMISSIONS[schema]
        steps.append((statement, why.removeprefix("-- ")))
    return steps


def defined(schema: str, kind: str) -> list[str]:
    """List the names of the ``TABLE``, ``FIELD`` or ``INDEX`` definitions in a schema file."""
    return re.findall(rf"^DEFINE {kind} IF NOT EXISTS (\w+)", _definitions(schema), re.MULTILINE)


def _definitions(schema: str) -> str:
    return files("sp00ky_store_surreal").joinpath(f"schema/{schema}.surql").read_text(encoding="utf-8")
