"""Serve the dashboard from the command line: ``sp00ky dashboard``."""

from __future__ import annotations

from typing import Any

import click

from sp00ky_core.cli.command import Settings, command, run_async


@command(name="dashboard", short_help="Serve the dashboard.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8808, show_default=True, help="0: any free one."
)
@click.option("--writable", is_flag=True, help="Let operators retry, kill, pause, ...; else it is read-only.")
@click.option("--hide-payloads", is_flag=True, help="Show no payload, no result and no error's reason.")
@click.option(
    "--user-header", metavar="NAME", help="Take the operator's name from this header, of a proxy beside it."
)
@click.option(
    "--allowed-host", "allowed_hosts", metavar="NAME", multiple=True, help="A name that browsers know it by."
)
def dashboard(settings: Settings, /, **options: Any) -> None:
    """Watch and operate the jobs in the browser, until stopped.

    It prints an address to sign in at, good for one browser and 15 minutes; Enter prints another. With
    SP00KY_DASHBOARD_TOKEN it asks for that token instead, with SP00KY_DASHBOARD_TOKENS ("ada=... ci=...") for
    one of those, and the audit says whose. On another address than this machine's own it wants one of these.
    """
    from sp00ky_dashboard.cli.server import serve  # noqa: PLC0415  # other commands don't load a web framework

    run_async(serve(settings, **options))
