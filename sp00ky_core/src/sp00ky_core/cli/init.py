"""``sp00ky init``: a first configuration, which works as it is."""

from __future__ import annotations

from importlib.resources import files as packaged
from pathlib import Path

import click

from sp00ky_core.cli.settings import Settings, command
from sp00ky_core.errors import Sp00kyError

NEXT = """\
next: sp00ky migrate && sp00ky check
then: sp00ky call api /spookify '{"id": "1"}' --wait
      (needs the backend at baseUrl; where the store is a server, `sp00ky run` too)"""


@command(short_help="Write sp00ky.yml and openapi.yml into the current folder.")
def init(settings: Settings) -> None:
    """Write sp00ky.yml and openapi.yml into the current folder; overwrites nothing."""
    config = settings.config or Path("sp00ky.yml")
    files = {config: "sp00ky.yml", config.with_name("openapi.yml"): "openapi.yml"}
    there = [str(file) for file in files if file.exists()]
    if there:
        be = "is" if len(there) == 1 else "are"
        raise Sp00kyError(
            f"{' and '.join(there)} {be} there already and nothing was written; change to another folder"
        )
    for file, template in files.items():
        file.write_text(template_text(template), encoding="utf-8")
        click.echo(f"wrote {file}")
    click.echo(NEXT)


def template_text(name: str) -> str:
    """Return what ``init`` writes: a file of ``templates/``."""
    return packaged("sp00ky_core").joinpath("cli", "templates", name).read_text(encoding="utf-8")
