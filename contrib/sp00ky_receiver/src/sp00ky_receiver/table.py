"""Say which table the receipts are in, and load the statements on it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

__all__ = ["Dialect", "table_statements", "statement"]

Dialect = Literal["postgresql", "sqlite"]


def table_statements(dialect: Dialect) -> tuple[str, ...]:
    """Return the statements that make the table ``sp00ky_receipt`` where it is missing, for a migration."""
    return statement(f"table.{dialect}"), statement("index")


@cache
def statement(name: str) -> str:
    """Return the text of ``sql/<name>.sql``, without its comments; ``:name`` stands for a value."""
    lines = files("sp00ky_receiver").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("--")).strip()
