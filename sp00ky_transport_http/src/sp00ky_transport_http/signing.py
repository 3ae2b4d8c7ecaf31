"""Sign requests as Standard Webhooks has it: over the job's id, the time and the body. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from standardwebhooks import Webhook

from sp00ky_core.config import Secret
from sp00ky_core.contract.headers import SIGNATURE_HEADERS
from sp00ky_transport_http.request import Request

_ID, _TIMESTAMP, _SIGNATURE = SIGNATURE_HEADERS


class Signer:
    """Signs with several secrets while one is replaced: the backend needs only one of them."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._webhooks = [Webhook(each.value) for each in secrets]

    def signed(self, request: Request, at: datetime) -> Request:
        """Return the request with a signature by each secret, in their order; ``at`` is now, in UTC.

        The id is that of ``Idempotency-Key``, the same for all attempts of a job, with ``%2E`` for each dot:
        ``id.timestamp.body`` splits in one way only, and as an id's own ``%`` is escaped, no two ids look
        alike. Where the request has no body the empty one is signed.
        """
        message_id, body = request.own["Idempotency-Key"].replace(".", "%2E"), request.body.decode()
        signatures = [each.sign(message_id, at, body) for each in self._webhooks]
        added = {
            _ID: message_id,
            _TIMESTAMP: str(int(at.timestamp())),
            _SIGNATURE: " ".join(signatures),
        }
        return Request(template=request.template, own={**request.own, **added}, body=request.body)
