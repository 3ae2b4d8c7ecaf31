"""What a tenant runs: it verifies each request by its secret, and takes an event once."""

import os
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

app = FastAPI()
taken: dict[str, Any] = {}


@app.post("/hooks")
async def hooks(request: Request) -> dict[str, bool]:
    """Take an event."""
    body = await request.body()
    try:
        event = Webhook(os.environ["WEBHOOK_SECRET"]).verify(body, dict(request.headers))
    except WebhookVerificationError as error:
        raise HTTPException(401, "the signature doesn't fit") from error
    is_new = request.headers["webhook-id"] not in taken
    taken[request.headers["webhook-id"]] = event
    return {"new": is_new}


@app.get("/taken")
def shown() -> dict[str, Any]:
    """Show what was taken."""
    return taken
