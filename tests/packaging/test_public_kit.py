"""Adapters stand on the core's public names only, as a stranger's must: each is in an ``__all__``."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import sp00ky_core.stores

ROOT = Path(__file__).parents[2]
ADAPTERS = sorted(
    folder
    for pattern in ("sp00ky_store_*/src/*", "sp00ky_transport_*/src/*", "contrib/*/src/*")
    for folder in ROOT.glob(pattern)
    if (folder / "__init__.py").exists() and folder.name != "sp00ky_receiver"  # it needs no core
)


def core_names(adapter: Path) -> Iterator[tuple[str, str, str]]:
    """Yield what an adapter imports from the core: where, the module, the name (none: the module itself)."""
    for file in sorted(adapter.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            place = f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                found = [name.name for name in node.names if name.name.split(".")[0] == "sp00ky_core"]
                yield from ((place, module, "") for module in found)
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sp00ky_core":
                yield from ((place, node.module or "", name.name) for name in node.names)


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
def test_adapters_import_public_names_only(adapter: Path) -> None:
    found = list(core_names(adapter))
    private = [
        f"{place}: {module}.{name}"
        for place, module, name in found
        if name not in getattr(importlib.import_module(module), "__all__", ())
        or any(part.startswith("_") for part in (*module.split("."), name))
    ]
    assert found
    assert private == []


def test_every_adapter_of_the_repository_is_looked_at() -> None:
    names = {adapter.name for adapter in ADAPTERS}
    assert names >= {
        "sp00ky_store_postgres",
        "sp00ky_store_surreal",
        "sp00ky_store_sqlite",
        "sp00ky_transport_amqp",
        "sp00ky_store_mysql",
        "sp00ky_generate",
        "sp00ky_tasks",
        "sp00ky_schedules",
        "sp00ky_webhooks",
        "sp00ky_workflows",
        "sp00ky_transport_asgi",
        "sp00ky_transport_http",
    }


def test_the_kit_has_and_describes_each_of_its_names() -> None:
    kit = sp00ky_core.stores
    assert [name for name in kit.__all__ if not hasattr(kit, name)] == []
    described = {"JsonObject", "JsonText", "Breaker", "BreakerChange", "BreakerState", "is_refusal"}
    assert [name for name in kit.__all__ if name not in described and f"``{name}``" not in kit.__doc__] == []
