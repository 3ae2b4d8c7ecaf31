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
class AsgiOptions:
    """The section ``asgi:`` of a backend.

    Attributes:
        folder: Where modules are imported from, before the environment's; by default the file's folder.
        loop: ``own``: a loop and a thread of the application's own, where its lifespan runs; ``shared``: the
            runner's loop, for an application that is served in this process already; ``auto``: ``shared``
            inside its lifespan, else ``own``.
        host: What requests have as ``Host``.
        hide_errors: A failed job's row doesn't say what the application raised.
    """

    folder: Path = attrs.field(default=Path(), metadata=key(values.path))
    loop: str = attrs.field(default="auto", metadata=key(values.one_of("auto", "own", "shared")))
    host: str = attrs.field(default="localhost", metadata=key(values.text))
    hide_errors: bool = attrs.field(default=False, metadata=key(values.boolean))


_transport = deferred("sp00ky_transport_asgi.transport:AsgiTransport")

ENTRY = TransportEntry(
    make=_transport,
    scheme="asgi",
    codes="http",
    options=AsgiOptions,
    contract="own",
    document=deferred("sp00ky_transport_asgi.target:document_of"),
    leaves_running=True,
    in_tests=partial(_transport, "shared"),
)
"""A cancelled call goes on, as a server's does whose client has gone."""


@hookimpl
def sp00ky_register_transports() -> Mapping[str, TransportEntry]:
    """Register the transport for ``asgi://MODULE:ATTRIBUTE[/prefix]``."""
    return {"asgi": ENTRY}
