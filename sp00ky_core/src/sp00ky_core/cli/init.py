"""``sp00ky init``: a first configuration, which works as it is."""

from __future__ import annotations

from pathlib import Path

import click

from sp00ky_core.cli.context import Settings, command
from sp00ky_core.errors import Sp00kyError

CONFIG = """\
# The numbers are for background work: a backend that fails for some minutes, by a bad deploy for instance,
# loses no job. Every key is in the project's documents, under Configuration.

# Where the jobs are. This one is an embedded SurrealDB, for one process; on a server it is one of
#   postgresql://user:password@host/database
#   ws://user:password@host:8000/NAMESPACE/DATABASE
store: surrealkv://./sp00ky.db

backends:
  api:
    spec: ./openapi.yml # its routes, and what their payloads must be
    baseUrl: http://127.0.0.1:3660
    # auth: {type: token, token: "${API_TOKEN}"} # sent as Authorization: Bearer; or tokenFile: ./token
    method:
      type: outbox
      table: job # its jobs; `sp00ky migrate` makes it
    timeout: 10 # seconds for one request, from connecting to the end of the answer
    timeoutOverridable: false # true: a job's own timeout counts
    concurrency: 20 # requests at a time, in each process that runs jobs
    retry: # of jobs that say nothing themselves; max_retries=0 on a job: at most one request
      maxRetries: 10 # after the first attempt; with these waits the last comes after 16 minutes or more
      strategy: exponential # waits of base, base * factor, base * factor * factor, ...
      base: 2 # seconds
      factor: 2
      cap: 300 # seconds; the longest wait
      jitter: 0.1 # each wait is up to 10 % shorter or longer, so that not all come at once
      giveUpAfter: 24h # answers like 429 use up no retry for so long
    giveUpOn: [] # statuses that are never retried, such as 422; a bad deploy may answer with any
    breaker: # while the backend can't be reached its jobs wait, and use up no retry
      failures: 3 # in a row, until it counts as unavailable
      interval: 1 # seconds until it is tried again, doubling to 30
    retention: # how long jobs that ended are kept
      success: 6h
      failed: 14d
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


@command(short_help="Write sp00ky.yml and openapi.yml into the current folder.")
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
