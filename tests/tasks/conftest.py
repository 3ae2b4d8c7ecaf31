import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sp00ky_core import Outbox, Plugins
from sp00ky_core.plugins.registry import load_config
from sp00ky_core.testing import memory_outbox
from sp00ky_store_kit import memory as core_stores
from sp00ky_store_sqlite import plugin as sqlite
from sp00ky_tasks import plugin

_number = count(1)

HEAD = """
import asyncio, threading, time
from sp00ky_tasks import Context, GiveUp, Retry, Snooze, Tasks
tasks = Tasks("shop")
"""


class Project:
    """A folder with a sp00ky.yml and one module of functions, whose name no other test has."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "sp00ky.yml"
        self.name = f"functions_{next(_number)}"
        self.plugins = Plugins()
        self.plugins.register(core_stores, name="core", distribution="sp00ky-core")
        self.plugins.register(sqlite, name="sqlite", distribution="sp00ky-store-sqlite")
        self.plugins.register(plugin, name="tasks", distribution="sp00ky-tasks")

    def write(self, source: str, *, keys: str = "", url: str = "") -> ModuleType:
        """Write the module and the file; return the module, imported."""
        (self.folder / f"{self.name}.py").write_text(HEAD + source)
        keys = f"baseUrl: '{url or f'python://{self.name}:tasks'}', method: {{}}, retry: {{base: 0}}, {keys}"
        self.file.write_text(f"store: memory://\nbackends: {{shop: {{{keys}}}}}\n")
        sys.path.insert(0, str(self.folder))
        return __import__(self.name)

    @property
    def module(self) -> ModuleType:
        """The module, which was written."""
        return sys.modules[self.name]

    def outbox(self, store: str = "memory://") -> Outbox:
        """Open its outbox, by default in memory."""
        return Outbox.open(self.file, store=store, plugins=self.plugins)

    def in_tests(self) -> Any:
        """Return the outbox that a test of an application has."""
        return memory_outbox(load_config(self.file, plugins=self.plugins), plugins=self.plugins)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project."""
    made, path = Project(tmp_path), [*sys.path]
    yield made
    sys.path[:] = path
    sys.modules.pop(made.name, None)
