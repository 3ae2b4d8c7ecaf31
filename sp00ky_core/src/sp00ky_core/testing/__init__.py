"""What adapters are proved with, and what applications test with. Needs ``sp00ky-core[testing]``.

Names are imported when they are asked for: pytest loads this package in every run, for its fixtures.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sp00ky_core.testing.backend import MisbehavingBackend
    from sp00ky_core.testing.clock import FakeClock
    from sp00ky_core.testing.conformance.harness import StoreHarness, eventually
    from sp00ky_core.testing.faults import (
        Fault,
        Faults,
        FaultyStore,
        FaultyTransport,
        Scripted,
        Seeded,
    )
    from sp00ky_core.testing.model import StoreModel, store_model
    from sp00ky_core.testing.scripted import ScriptedTransport, deliver_all
    from sp00ky_core.testing.store import StoreConformance
    from sp00ky_core.testing.transport import TransportConformance

__all__ = [
    "StoreConformance",
    "StoreHarness",
    "StoreModel",
    "store_model",
    "TransportConformance",
    "MisbehavingBackend",
    "ScriptedTransport",
    "deliver_all",
    "FaultyStore",
    "FaultyTransport",
    "Fault",
    "Faults",
    "Scripted",
    "Seeded",
    "FakeClock",
    "eventually",
]

_MODULES = {
    "StoreConformance": "store",
    "StoreHarness": "conformance.harness",
    "StoreModel": "model",
    "store_model": "model",
    "TransportConformance": "transport",
    "MisbehavingBackend": "backend",
    "ScriptedTransport": "scripted",
    "deliver_all": "scripted",
    "FaultyStore": "faults",
    "FaultyTransport": "faults",
    "Fault": "faults",
    "Faults": "faults",
    "Scripted": "faults",
    "Seeded": "faults",
    "FakeClock": "clock",
    "eventually": "conformance.harness",
}


if not TYPE_CHECKING:  # a type checker would take every name for one of ours

    def __getattr__(name: str) -> object:
        module = _MODULES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
