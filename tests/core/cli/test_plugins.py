"""What is installed: the plugins listed, the missing and the broken ones named."""

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.plugins import registry

POINTS = entry_points(group=registry.GROUP)

KEYS = [
    "name",
    "distribution",
    "version",
    "stores",
    "transports",
    "retry_strategies",
    "commands",
    "extensions",
    "hooks",
]


@pytest.fixture
def only_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after ``pip install sp00ky-store-kit``, which brings the core, alone."""
    mine = [point for point in POINTS if point.dist and point.dist.name == "sp00ky-store-kit"]
    monkeypatch.setattr(registry, "entry_points", lambda **_: mine)


@pytest.mark.usefixtures("only_core")
@pytest.mark.parametrize(
    ("url", "distribution"),
    [
        ("surrealkv://./jobs.db", "sp00ky-store-surreal"),
        ("wss://user:password@host/main/main", "sp00ky-store-surreal"),
        ("postgresql://user:password@host/app", "sp00ky-store-postgres"),
    ],
)
@pytest.mark.parametrize(
    "command", [["run"], ["call", "api", "/json"], ["migrate"], ["check"], ["jobs", "list"]]
)
def test_a_missing_store_says_what_to_install(
    project: Path, sp00ky: Any, url: str, distribution: str, command: list[str]
) -> None:
    line = sp00ky(*command, "--store", url).complaint(2)
    assert f" ./{distribution.replace('-', '_')}, in a clone" in line


@pytest.mark.usefixtures("only_core")
def test_only_what_is_there_is_listed(sp00ky: Any) -> None:
    (listed,) = sp00ky("plugins", "--json").json["plugins"]
    assert list(listed) == KEYS
    assert (listed["distribution"], listed["stores"]) == ("sp00ky-store-kit", ["memory"])


def install_ghost(folder: Path, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    info = folder / "ghost-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ghost\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[sp00ky]\nghost = {module}\n")
    monkeypatch.syspath_prepend(folder)


STORE = """
from sp00ky_core import hookimpl
from sp00ky_store_kit.memory import MemoryStore

class Store(MemoryStore):
    async def find(self, query, *, connection=None):
        raise ValueError("7 is no row")

@hookimpl
def sp00ky_register_stores():
    return {"ghost": Store}
"""


def test_a_store_that_raises_what_is_no_error_of_ours_names_its_distribution(
    project: Path, sp00ky: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ghost_store.py").write_text(STORE)
    install_ghost(tmp_path, "ghost_store", monkeypatch)
    line = sp00ky("jobs", "list", "--store", "ghost://").complaint(1)
    assert "a bug of ghost, whose Store.find() raised what is no Sp00kyError: ValueError: 7 is no row" in line
    assert "run it again with --debug, and tell the authors of ghost" in line


def test_a_broken_plugin_names_its_distribution(
    project: Path, sp00ky: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_ghost(tmp_path, "no_such_module_anywhere", monkeypatch)
    for command in (["plugins"], ["jobs", "list"], ["run"]):
        assert "plugin of ghost: " in sp00ky(*command).complaint(2)


def test_plugins_have_the_documented_keys(folder: Path, sp00ky: Any) -> None:
    listed = sp00ky("plugins", "--json").json
    assert list(listed) == ["plugins"]
    assert all(list(plugin) == KEYS for plugin in listed["plugins"])
    brought = {plugin["distribution"]: plugin for plugin in listed["plugins"]}
    assert brought["sp00ky-store-kit"]["stores"] == ["memory"]
    assert {"mem", "surrealkv"} <= set(brought["sp00ky-store-surreal"]["stores"])
    assert brought["sp00ky-transport-http"]["transports"] == ["http", "https"]
    assert "sp00ky-store-surreal" in sp00ky("plugins").out
