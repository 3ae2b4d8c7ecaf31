"""Run the dashboard's own server: bind, serve until a signal."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext

import click
import uvicorn

from sp00ky_core.cli.command import Settings
from sp00ky_core.cli.signals import stop_signal
from sp00ky_core.errors import Sp00kyError
from sp00ky_dashboard.access.authentication import CodeAuth
from sp00ky_dashboard.access.origin import is_address
from sp00ky_dashboard.app import Dashboard
from sp00ky_dashboard.cli.sign_in_links import printed_codes
from sp00ky_dashboard.cli.sign_in_options import auth_of

GRACE = 3
"""Seconds that requests get to end."""


class CannotListen(Sp00kyError):
    """The address can't be listened on."""


async def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    writable: bool,
    hide_payloads: bool,
    user_header: str | None,
    allowed_hosts: Collection[str],
) -> None:
    """Serve until a signal.

    Raises:
        click.UsageError: Other machines could reach it, and there is no token.
        CannotListen: The port is in use, or the address isn't this machine's.
    """
    auth = auth_of(host, user_header, os.environ)
    names = {*allowed_hosts, *(() if is_address(host) else (host,))}
    with listening(host, port) as listener:
        async with settings.outbox() as outbox:
            options = {"read_only": not writable, "hide_payloads": hide_payloads, "allowed_hosts": names}
            served = Dashboard(outbox, auth=auth, **options)  # type: ignore[arg-type]  # as they came
            url = address(listener)
            click.echo(f"dashboard on {url}" + ("" if writable else ", read-only (see --writable)"))
            with printed_codes(auth, url) if isinstance(auth, CodeAuth) else nullcontext():
                await _serve(served, listener)


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Bind a socket. Raises ``CannotListen``."""
    try:
        family, _, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(target[:2], family=family)
    except (OSError, UnicodeError) as error:  # or a name that is longer than names can be
        reason = getattr(error, "strerror", None) or str(error)
        reason, _, _ = reason.partition(" (while")  # it repeats the address
        raise CannotListen(f"{host}:{port}: {reason}; choose another with --host and --port") from error
    with listener:
        yield listener


def address(listener: socket.socket) -> str:
    """Return the URL of what is listened on."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class _Server(uvicorn.Server):
    """uvicorn, whose signals are the command's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


async def _serve(served: Dashboard, listener: socket.socket) -> None:
    config = uvicorn.Config(
        served, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE, lifespan="off"
    )
    server = _Server(config)
    with stop_signal() as stopped:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        served.close()
        server.should_exit = True
        stopping.cancel()
        await serving
        await served.aclose()
