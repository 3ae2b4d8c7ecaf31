"""Enqueue by a generated module, and wrongly where a line says so; type-checked, never run."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from typed_outbox import SendMailPayload, SpookifyPayload, TypedOutbox, TypedSyncOutbox

from sp00ky_core import Job, Outbox
from sp00ky_core.sync import SyncOutbox

THREAD = SpookifyPayload(id="1", author={"name": None}, replies=[{"id": "2", "author": {"name": "eve"}}])


async def enqueue(plain: Outbox) -> Job:
    outbox = TypedOutbox(plain)
    await outbox.api.spookify(THREAD, assigned_to="thread:1", retry_strategy="exponential")
    await outbox.api.spookify({"id": uuid4(), "created": datetime.now(UTC), "author": {"name": "eve"}})
    await outbox.api.sendMail({"id": 1, "subject": "boo", "content-type": "text/html"})
    await outbox.api.ping()
    await outbox.run("api", "/users/{id}/mail", {"id": 1, "subject": "boo", "content-type": "text/plain"})
    return await outbox.run("api", "/spookify", THREAD, connection=plain.store, dedup_key="1")


async def read(plain: Outbox) -> int:
    outbox = TypedOutbox(plain)
    await outbox.api.replaceOrder({"$path": {"id": 1}, "$body": ["a", "b"]})
    await outbox.run("api", "PUT /orders/{id}", {"$path": {"id": 1}, "$body": []})
    job = await outbox.wait(await outbox.run("api", "GET /orders/{id}", {"id": 1}))
    return 0 if job.result is None else job.result["total"]


async def explain(plain: Outbox) -> None:
    outbox = TypedOutbox(plain)
    await outbox.api.upload({"name": "a", "file": "aGk="})
    await outbox.api.upload({"name": "a", "file": {"$file": "aGk=", "filename": "a.txt"}, "more": ["aGk="]})
    await outbox.api.upload({"$path": {"name": "a"}, "$body": "hi", "$contentType": "text/plain"})
    await outbox.run("api", "upload", {"name": "a", "file": "aGk="})
    await outbox.run("api", "POST /files/{name}", {"$path": {"name": "a"}, "$body": {"file": "aGk="}})
    await outbox.api.spookify({"$body": THREAD})
    await outbox.api.ping({})


async def obscure(plain: Outbox) -> None:
    outbox = TypedOutbox(plain)
    await outbox.api.upload({"name": "a", "file": {"file": "aGk="}})  # wrong
    await outbox.api.upload({"name": "a", "file": 1})  # wrong
    await outbox.api.upload({"$body": {}})  # wrong
    await outbox.api.upload({"$path": {"name": "a"}, "$boddy": {}})  # wrong
    await outbox.api.upload({"$path": {"name": "a"}, "name": "a"})  # wrong
    await outbox.api.spookify({})  # wrong
    await outbox.api.ping({"a": 1})  # wrong


def enqueue_blocking(plain: SyncOutbox, connection: object) -> Job:
    outbox = TypedSyncOutbox(plain)
    outbox.run("api", "/ping", autocommit=True)
    return outbox.api.spookify(THREAD, connection=connection, priority=1)


async def misspell(plain: Outbox) -> None:
    outbox = TypedOutbox(plain)
    await outbox.run("apy", "/spookify", THREAD)  # wrong
    await outbox.run("api", "/spokify", THREAD)  # wrong
    await outbox.apy.spookify(THREAD)  # wrong
    await outbox.api.spokify(THREAD)  # wrong
    await outbox.api.spookify(THREAD, retry_strategy="exponentail")  # wrong
    await outbox.api.spookify(THREAD, asigned_to="thread:1")  # wrong
    await outbox.api.spookify({"id": "1", "author": {"name": "eve"}, "sise": 1})  # wrong
    await outbox.api.spookify({"id": "1", "author": {"nam": "eve"}})  # wrong


async def mistake(plain: Outbox) -> None:
    outbox = TypedOutbox(plain)
    await outbox.api.spookify({"id": "1"})  # wrong
    await outbox.api.spookify({"id": 1, "author": {"name": "eve"}})  # wrong
    await outbox.api.spookify({"id": "1", "author": {"name": "eve"}, "size": "large"})  # wrong
    await outbox.api.spookify({"id": "1", "author": {"name": "eve"}, "labels": {"a": 1}})  # wrong
    await outbox.api.spookify()  # wrong
    await outbox.api.sendMail({"id": 1, "subject": "boo", "content-type": "text/plane"})  # wrong
    await outbox.run("api", "/spookify", {"id": "1"})  # wrong
    await outbox.run("api", "/spookify", SendMailPayload(id=1, subject="boo"))  # wrong


async def misread(plain: Outbox) -> None:
    outbox = TypedOutbox(plain)
    await outbox.api.replaceOrder({"id": 1})  # wrong
    await outbox.api.replaceOrder({"$path": {"id": "1"}, "$body": []})  # wrong
    await outbox.api.replaceOrder({"$path": {"id": 1}, "$body": [1]})  # wrong
    job = await outbox.api.readOrder({"id": 1})
    assert job.result is not None
    job.result["totl"]  # wrong


def mistake_blocking(plain: SyncOutbox) -> None:
    outbox = TypedSyncOutbox(plain)
    outbox.api.spookify({"id": "1"}, autocommit=True)  # wrong
    outbox.api.spookify(THREAD, autocommit="yes")  # wrong
    TypedOutbox(plain)  # wrong
