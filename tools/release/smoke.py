"""Try an installation: import the packages that the arguments name; with ``--deliver``, deliver a job."""

from __future__ import annotations

import asyncio
import importlib
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

DOCUMENT = """
openapi: 3.1.0
info: {title: api, version: "1"}
paths:
  /hello:
    post:
      requestBody: {content: {application/json: {schema: {type: object, required: [name]}}}}
"""

CONFIGURATION = """
store: sqlite:///jobs.db
backends:
  api: {{spec: openapi.yml, baseUrl: "http://127.0.0.1:{port}", method: {{table: job}}}}
"""


class Backend(BaseHTTPRequestHandler):
    """Answer each job."""

    def do_POST(self) -> None:
        """Take a job."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


async def deliver() -> str:
    """Enqueue a job, run it, and say how it ended."""
    from sp00ky_core import Outbox  # noqa: PLC0415  # not in each environment

    async with Outbox.open("sp00ky.yml") as outbox:
        await outbox.store.migrate()
        async with outbox.runner(), asyncio.timeout(30):
            job = await outbox.run("api", "/hello", {"name": "release"})
            async for seen in outbox.watch(job.id):
                job = seen
    return str(job.status)


def main() -> None:
    """Do what the arguments say."""
    for name in sys.argv[1:]:
        if name != "--deliver":
            importlib.import_module(name)
    if "--deliver" not in sys.argv:
        return
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    Thread(target=server.serve_forever, daemon=True).start()
    Path("openapi.yml").write_text(DOCUMENT)
    Path("sp00ky.yml").write_text(CONFIGURATION.format(port=server.server_port))
    status = asyncio.run(deliver())
    server.shutdown()
    server.server_close()
    if status != "success":
        sys.exit(f"the job ended as {status}")


if __name__ == "__main__":
    main()
