"""Name the headers that neither a job nor a plugin may set, and say what a header can hold. Pure."""

from __future__ import annotations

import re

__all__ = ["CLOSED_HEADERS", "HEADER_NAME", "HEADER_VALUE", "SIGNATURE_HEADERS"]

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
HEADER_VALUE = re.compile(
    r"[\t -~]*"
)  # other letters have no encoding that every reader knows (RFC 9110, 5.5)

CLOSED_HEADERS = frozenset(
    {
        *("authorization", "host", "cookie", "expect"),
        *("accept-encoding", "content-encoding", "content-length", "transfer-encoding"),
        # What is hop-by-hop: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "upgrade"),
    }
)
"""What a request is made of and what belongs to its connection, in lower case."""

SIGNATURE_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
"""Headers of a signed request, as Standard Webhooks names them."""
