import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sp00ky_core import Outbox, Plugins
from sp00ky_store_kit import memory as core_stores
from sp00ky_transport_asgi import plugin as asgi

_number = count(1)
Open = Callable[..., Outbox]


class Project:
    """A folder with a sp00ky.yml and one module, whose name no other test has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"asgi_app_{next(_number)}"
        self.file = folder / "sp00ky.yml"

    def write(self, source: str, *, url: str = "", keys: str = "") -> None:
        """Write the module, and a backend whose ``baseUrl`` is its ``app``."""
        (self.folder / f"{self.name}.py").write_text(source)
        backend = f"baseUrl: '{url or f'asgi://{self.name}:app'}', method: {{}}, {keys}"
        self.file.write_text(f"store: memory://\nbackends: {{shop: {{{backend}}}}}\n")

    def outbox(self, *plugins: Any) -> Outbox:
        """Open its outbox, in memory."""
        loaded = Plugins()
        loaded.register(core_stores, name="core", distribution="sp00ky-core")
        loaded.register(asgi, name="asgi", distribution="sp00ky-transport-asgi")
        return Outbox.open(self.file, store="memory://", plugins=loaded)

    @property
    def module(self) -> ModuleType | None:
        """The module, if it was imported."""
        return sys.modules.get(self.name)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project."""
    made = Project(tmp_path)
    path = [*sys.path]
    yield made
    sys.path[:] = path
    sys.modules.pop(made.name, None)
