"""``sp00ky init``: a first configuration, which works as it is."""

from __future__ import annotations

from pathlib import Path

import click

from sp00ky_core.cli.context import Settings, command
from sp00ky_core.errors import Sp00kyError

__all__ = ["init"]

CONFIG = """\
# Where the jobs are. This one is an embedded SurrealDB, for one process; on a server it is one of
#   postgresql://user:password@host/database
#   ws://user:password@host:8000/NAMESPACE/DATABASE
store: surrealkv://./sp00ky.db

backends:
  api:
    spec: ./openapi.yml # its routes, and what their payloads must be
    baseUrl: http://127.0.0.1:3660
    # auth: {type: token, token: "${API_TOKEN}"}
    method: {type: outbox, table: job}
    timeout: 10 # seconds
    timeoutOverridable: false
    retry: {base: 1, factor: 2, cap: 900, jitter: 0.1}
"""

OPENAPI = """\
openapi: 3.1.0
info: {title: api, version: "1"}
paths:
  /spookify:
    post:
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [id]
              properties:
                id: {type: string}
      responses:
        "200": {description: done}
"""

NEXT = """\
next: sp00ky migrate && sp00ky check
then: sp00ky call api /spookify '{"id": "1"}' --wait
      (needs the backend at baseUrl; where the store is a server, `sp00ky run` too)"""


@command()
def init(settings: Settings) -> None:
    """Write sp00ky.yml and openapi.yml into the current folder; overwrites nothing."""
    config = settings.config or Path("sp00ky.yml")
    files = {config: CONFIG, config.with_name("openapi.yml"): OPENAPI}
    there = [str(file) for file in files if file.exists()]
    if there:
        be = "is" if len(there) == 1 else "are"
        raise Sp00kyError(
            f"{' and '.join(there)} {be} there already and nothing was written; change to another folder"
        )
    for file, text in files.items():
        file.write_text(text, encoding="utf-8")
        click.echo(f"wrote {file}")
    click.echo(NEXT)
