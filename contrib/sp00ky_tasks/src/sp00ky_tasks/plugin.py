"""Register the transport, as a plugin of Sp00ky outbox."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import attrs

from sp00ky_core.config import key, values
from sp00ky_core.plugins.hookspecs import deferred, hookimpl
from sp00ky_core.ports import TransportEntry


@attrs.frozen(kw_only=True)
class PythonOptions:
    """The section ``python:`` of a backend.

    Attributes:
        folder: Where modules are imported from, before the environment's; by default the file's folder.
    """

    folder: Path = attrs.field(default=Path(), metadata=key(values.path))


_transport = deferred("sp00ky_tasks.transport:TasksTransport")

ENTRY = TransportEntry(
    make=_transport,
    scheme="python",
    options=PythonOptions,
    credentials=frozenset(),
    contract="own",
    headers=False,
    timeout_overridable=True,
    document=deferred("sp00ky_tasks.document:document_of"),
    lists=deferred("sp00ky_tasks.document:signatures_of"),
    leaves_running=True,
    in_tests=partial(_transport, shared=True),
)
"""A thread whose call was cancelled goes on."""


@hookimpl
def sp00ky_register_transports() -> Mapping[str, TransportEntry]:
    """Register the transport for ``python://MODULE:ATTRIBUTE``."""
    return {"python": ENTRY}
