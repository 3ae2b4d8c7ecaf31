"""What has a name of ours and says something else.

PostgreSQL writes a condition in its own words, which differ from version to version and from those of its
maker. So the terms are compared (columns, constants, comparisons), and what may be the same is taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sp00ky_core.ports import Finding, JobTable
from sp00ky_store_postgres.catalog import Defined, Found
from sp00ky_store_postgres.errors import MIGRATE
from sp00ky_store_postgres.layout import CHECKS, INDEXES, KEY, Index, object_name
from sp00ky_store_postgres.statements import quoted
from sp00ky_store_postgres.steps import FUNCTION, MAY_RAISE, POLLING
from sp00ky_store_postgres.tables import Tables

__all__ = ["differing", "notifies", "is_idle", "terms"]

CAST = re.compile(r"::[a-z][a-z0-9_ ]*(\(\d+\))?(\[\])?")
TERM = re.compile(r"'(?P<constant>(?:[^']|'')*)'|(?P<word>\w+|[<>=!~]+)")
WITHOUT_MEANING = frozenset({"and", "or", "in", "any", "array", "="})
"""What the same condition may be written with or without."""
SAME = {"between": (">=", "<=")}


def terms(condition: str) -> frozenset[str]:
    """What a condition speaks of: columns, comparisons, constants.

    Instants are left out: they are written as the session's time zone has it.
    """
    found: set[str] = set()
    for match in TERM.finditer(CAST.sub("", condition)):
        if (constant := match["constant"]) is not None:
            found.update(each for each in constant.strip("{}").split(",") if not re.match(r"\d+-", each))
        else:
            word = match["word"].lower()
            found.update(SAME.get(word, (word,)))
    return frozenset(found - WITHOUT_MEANING)


def notifies(source: str) -> bool:
    """Whether a trigger function's source is ours, or does what ours does."""
    return re.search(r"pg_notify\s*\(\s*'sp00ky'", source) is not None


def is_idle(source: str) -> bool:
    """Whether a trigger function does nothing, so that no INSERT fails by it."""
    return re.fullmatch(r"\s*BEGIN\s+RETURN\s+\w+\s*;\s*END\s*;?\s*", source, re.IGNORECASE) is not None


def differing(table: JobTable, tables: Tables, found: Found) -> Iterator[Finding]:
    """A finding for each index, rule and trigger of a table that isn't the one that its name says."""
    for index in (*INDEXES, KEY):
        defined = found.defined.get(("index", object_name(table.table, index.suffix)))
        if defined and not _is_index(index, defined):
            yield _other_index(table, tables, index, defined)
    for suffix, check in CHECKS.items():
        defined = found.defined.get(("check", object_name(table.table, suffix)))
        if defined and not terms(check) <= terms(defined.text):  # it may say more
            yield _other_check(table, tables, suffix, defined)
    defined = found.defined.get(("trigger", object_name(table.table, FUNCTION)))
    if defined and defined.columns != (tables.schema, FUNCTION) and not notifies(defined.text):
        yield _other_trigger(table, tables, defined)


def _is_index(index: Index, defined: Defined) -> bool:
    """More columns do no harm, but where it is unique."""
    return _is_unique_enough(index, defined) and (
        terms(index.where or "") == terms(defined.text)
        and defined.columns[: len(index.columns)] == index.columns
    )


def _is_unique_enough(index: Index, defined: Defined) -> bool:
    return not index.unique or (defined.unique and defined.columns == index.columns)


def _other_index(table: JobTable, tables: Tables, index: Index, defined: Defined) -> Finding:
    name = object_name(table.table, index.suffix)
    unique = "unique " if defined.unique else ""
    where = f" WHERE {defined.text}" if defined.text else ""
    return Finding(
        stops_jobs=not _is_unique_enough(index, defined),
        subject=table.table,
        problem=f"index {name} is another one: {unique}({', '.join(defined.columns)}){where}",
        consequence=index.without,
        mend=f"DROP INDEX CONCURRENTLY {quoted(tables.schema, name)}; then {MIGRATE}",
    )


def _other_check(table: JobTable, tables: Tables, suffix: str, defined: Defined) -> Finding:
    name = object_name(table.table, suffix)
    return Finding(
        stops_jobs=False,
        subject=table.table,
        problem=f"constraint {name} is another one: {defined.text}",
        consequence=f"rows may break the rule {CHECKS[suffix]}",
        mend=f"ALTER TABLE {tables.name(table)} DROP CONSTRAINT {quoted(name)}; then {MIGRATE}",
    )


def _other_trigger(table: JobTable, tables: Tables, defined: Defined) -> Finding:
    name = object_name(table.table, FUNCTION)
    return Finding(
        stops_jobs=not is_idle(defined.text),
        subject=table.table,
        problem=f"trigger {name} calls another function: {quoted(*defined.columns)}()",
        consequence=POLLING if is_idle(defined.text) else MAY_RAISE,
        mend=f"DROP TRIGGER {quoted(name)} ON {tables.name(table)}; then {MIGRATE}",
    )
