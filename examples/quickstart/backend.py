"""The quickstart's backend, of the standard library alone: python examples/quickstart/backend.py [PORT]."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Spookify(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # the name that http.server calls
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps({"spooky": payload["id"]}).encode()
        self.send_response(200 if self.path == "/spookify" else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 3660
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Spookify)
    except OSError as error:
        sys.exit(f"can't listen on 127.0.0.1:{port}: {error.strerror}; stop what has it")
    with server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
