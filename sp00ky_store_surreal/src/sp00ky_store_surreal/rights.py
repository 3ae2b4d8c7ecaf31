"""Say that a user may not write: the database drops such a write, and reports no error."""

from __future__ import annotations

from sp00ky_core.errors import SchemaError

__all__ = ["unwritable"]


def unwritable(store: str, table: str) -> SchemaError:
    """A write to the table was dropped."""
    problem = f"its user may not write table {table!r}: it needs ROLES EDITOR (see the store's README)"
    return SchemaError(store=store, problem=problem)
