"""What the jobs call, of the standard library alone: python backend.py [PORT]."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Reports(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # the name that http.server calls
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print(self.path, payload, flush=True)
        answer = json.dumps({"done": True}).encode()
        self.send_response(200 if self.path in {"/report", "/digest"} else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 3660
    with ThreadingHTTPServer(("127.0.0.1", port), Reports) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
