"""Run the dashboard's own server: bind, choose who is let in, serve until a signal."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext

import click
import uvicorn

from sp00ky_core.cli.settings import Settings
from sp00ky_core.cli.signals import stop_signal
from sp00ky_core.errors import Sp00kyError
from sp00ky_dashboard.access.authentication import Authenticate, BasicAuth, CodeAuth, HeaderAuth, TokenAuth
from sp00ky_dashboard.access.guard import is_address, is_loopback
from sp00ky_dashboard.app import Dashboard
from sp00ky_dashboard.cli.codes import printed_codes

PASSWORD, TOKEN = "SP00KY_DASHBOARD_PASSWORD", "SP00KY_DASHBOARD_TOKEN"  # names of variables
TOKENS = "SP00KY_DASHBOARD_TOKENS"

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
    user: str | None,
    user_header: str | None,
    allowed_hosts: Collection[str],
) -> None:
    """Serve until a signal.

    Raises:
        click.UsageError: Other machines could reach it, and there is neither a password nor a token.
        CannotListen: The port is in use, or the address isn't this machine's.
    """
    auth = auth_of(host, user, user_header, os.environ)
    names = {*allowed_hosts, *(() if is_address(host) else (host,))}
    with listening(host, port) as listener:
        async with settings.outbox() as outbox:
            options = {"read_only": not writable, "hide_payloads": hide_payloads, "allowed_hosts": names}
            served = Dashboard(outbox, auth=auth, **options)  # type: ignore[arg-type]  # as they came
            url = address(listener)
            click.echo(f"dashboard on {url}" + ("" if writable else ", read-only (see --writable)"))
            with printed_codes(auth, url) if isinstance(auth, CodeAuth) else nullcontext():
                await _serve(served, listener)


def auth_of(
    host: str, user: str | None, user_header: str | None, environment: Mapping[str, str]
) -> Authenticate:
    """Choose who is let in. Raises ``click.UsageError``, and ``OptionInvalid`` for a short token."""
    password, tokens = environment.get(PASSWORD, ""), tokens_of(environment)
    if user_header and not is_loopback(host):
        raise click.UsageError(
            f"--user-header believes whoever connects, and other machines reach {host}: "
            "listen on 127.0.0.1, with the proxy beside it"
        )
    if user_header:
        return HeaderAuth(user_header)
    if user and not password:
        raise click.UsageError(f"--user {user} goes with a password in {PASSWORD}")
    if user:
        return BasicAuth({user: password})
    if tokens:
        return TokenAuth(tokens)
    if not is_loopback(host):
        ways = f"set {TOKEN}, or {PASSWORD} and --user"
        raise click.UsageError(f"{host} can be reached from other machines: {ways}, or listen on 127.0.0.1")
    return CodeAuth()


def tokens_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return each operator's token by their name. Raises ``click.UsageError``."""
    tokens = {"token": token} if (token := environment.get(TOKEN, "")) else {}
    for pair in environment.get(TOKENS, "").split():
        name, _, token = pair.partition("=")
        if not (name and token) or name in tokens:
            raise click.UsageError(f"{TOKENS} wants NAME=TOKEN, each name once, with spaces between them")
        tokens[name] = token
    return tokens


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
