"""Sign requests as Standard Webhooks has it: over the job's id, the time and the body. Pure."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime

import attrs

from sp00ky_core.config import Secret
from sp00ky_core.config.values import signing_key
from sp00ky_openapi.safety import SIGNATURE_HEADERS
from sp00ky_transport_http.request import Request

_ID, _TIMESTAMP, _SIGNATURE = SIGNATURE_HEADERS


class Signer:
    """Signs with several secrets while one is replaced: the backend needs only one of them."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        # standardwebhooks signs texts alone, and a body may be any bytes.
        self._keys = [signing_key(secret.value) for secret in secrets]

    def signed(self, request: Request, at: datetime) -> Request:
        """Return the request with a signature by each secret, in their order; ``at`` is now, in UTC.

        The id is the job's, the same for all its attempts, with ``%2E`` for each dot:
        ``id.timestamp.body`` splits in one way only, and as an id's own ``%`` is escaped, no two ids look
        alike. Where the request has no body the empty one is signed.
        """
        message_id, timestamp = request.job_id.replace(".", "%2E"), str(int(at.timestamp()))
        signed = f"{message_id}.{timestamp}.".encode() + request.body
        signatures = [f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in self._keys]
        added = {
            _ID: message_id,
            _TIMESTAMP: timestamp,
            _SIGNATURE: " ".join(signatures),
        }
        return attrs.evolve(request, own={**request.own, **added})
