"""Redaction and erasure: of which jobs, what is refused, what is left, and what the audit doesn't hold."""

import asyncio
import json
from hashlib import sha256
from typing import Any

import attrs
import pytest
from tests.core.two_backends import ended, enqueued, statuses

from sp00ky_core import JobFilter, JobQuery, JobStatus, Outbox
from sp00ky_core.encoding.json_bytes import JsonText
from sp00ky_core.errors import OptionInvalid, RowRefused, UnknownBackend
from sp00ky_core.job.job import AttemptError, Job
from sp00ky_core.outbox.operators import bulk, redaction
from sp00ky_core.outbox.operators.redaction import matched, redacted, without_keys
from sp00ky_store_kit.memory import MemoryStore

MINE = JobFilter(assigned_to="user:7")
CARD: dict[str, Any] = {"assigned_to": "user:7", "payload": {"card": 41114111411141, "id": 1}}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of two."""
    monkeypatch.setattr(bulk, "PAGE", 2)
    monkeypatch.setattr(redaction, "PAGE", 2)


async def text_of(outbox: Outbox) -> str:
    """All that jobs, runs and the audit hold."""
    jobs = await outbox.store.find(JobQuery(limit=100))
    return "\n".join(map(repr, [*jobs, *await outbox.audit()]))


async def test_a_person_s_jobs_are_redacted_and_what_names_them_is_named(outbox: Outbox) -> None:
    for _ in range(3):
        await ended(outbox, 1, **CARD, ordering_key="k7")
    (other,) = await ended(outbox, 1, payload={"card": 42224222422242})
    result = await outbox.redact(filter=MINE, reason="asked for", actor="eve")
    assert (result.matched, result.done, result.killed, result.skipped) == (3, 3, 0, 0)
    assert result.left == {"ordering_key": 3, "assigned_to": 3}
    text = await text_of(outbox)
    assert ("41114111411141" in text, "42224222422242" in text, "boo" in text) == (False, True, True)
    assert {job.redacted_at is None for job in await outbox.find(assigned_to="user:7")} == {False}
    assert (await outbox.get(other)).redacted_at is None
    (entry,) = await outbox.audit()
    digest = sha256(b'{"assigned_to":"user:7"}').hexdigest()
    assert (entry.id, entry.action, entry.count) == (result.audit, "redact", 3)
    assert entry.selection == {"sha256": digest}
    assert result.selection_sha256 == digest
    assert "user:7" not in repr(await outbox.audit())
    again = await outbox.redact(filter=MINE)
    assert (again.done, again.skipped) == (0, 3)


async def test_keys_copies_and_runs_are_cleared_too(outbox: Outbox) -> None:
    (old,) = await ended(outbox, 1, **CARD, ordering_key="k7")
    (copy,) = await outbox.copy(old)
    named = await outbox.redact(old)
    assert (named.left["copies"], named.copies) == (1, (copy.id,))
    refused = await outbox.redact(old, keys=True)
    assert (refused.done, refused.refused["illegal"]) == (1, 1)
    assert "`kill` ends it first" in (refused.problem or "")
    cleared = await outbox.redact(old, keys=True, kill=True)
    assert (cleared.done, cleared.killed, cleared.skipped, cleared.left) == (1, 1, 1, {})
    assert "user:7" not in repr(await outbox.store.find(JobQuery()))
    assert "41114111411141" not in await text_of(outbox)


async def test_what_has_not_ended_is_refused_or_killed_first(outbox: Outbox) -> None:
    (taken,) = await enqueued(outbox, 1, **CARD)
    await outbox.store.claim({"api": 1}, "r")
    waiting = await enqueued(outbox, 2, **CARD)
    refused = await outbox.redact(filter=MINE)
    assert (refused.matched, refused.done, refused.refused["illegal"]) == (3, 0, 3)
    assert await statuses(outbox, waiting) == {"pending"}
    killed = await outbox.redact(filter=MINE, kill=True)
    assert (killed.done, killed.killed, killed.refused["illegal"]) == (2, 2, 1)
    assert "processing" in (killed.problem or "")
    assert (await outbox.get(taken)).payload == CARD["payload"]
    assert {job.payload == {} for job in await outbox.find(status="failed")} == {True}


async def test_a_field_alone_is_taken_out(outbox: Outbox) -> None:
    (with_card,) = await ended(outbox, 1, **CARD)
    (without,) = await ended(outbox, 1, assigned_to="user:7", payload={"id": 2})
    result = await outbox.redact(filter=MINE, fields=["/card"])
    assert (result.matched, result.done, result.skipped) == (2, 1, 1)
    assert (await outbox.get(with_card)).payload == {"card": "(redacted)", "id": 1}
    assert (await outbox.get(without)).redacted_at is None


@pytest.mark.parametrize("fields", [["/crad"], ["/card", "/gone"], ["card"]])
async def test_a_field_that_leads_nowhere_is_one_error_and_nothing_is_done(
    outbox: Outbox, fields: list[str]
) -> None:
    await ended(outbox, 3, **CARD)
    (waiting,) = await enqueued(outbox, 1, **CARD)
    with pytest.raises(OptionInvalid, match=fields[-1]):
        await outbox.redact(filter=MINE, fields=fields, kill=True)
    assert await outbox.audit() == []
    assert (await outbox.get(waiting)).status is JobStatus.PENDING
    assert {job.redacted_at for job in await outbox.find()} == {None}


async def test_one_that_the_database_refuses_costs_no_other(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await ended(outbox, 3, **CARD)
    redact = MemoryStore.redact

    async def refuse(store: MemoryStore, jobs: Any) -> Any:
        if any(job.id == ids[1] for job in jobs):
            raise RowRefused(store="memory://", problem="a rule of yours")
        return await redact(store, jobs)

    monkeypatch.setattr(MemoryStore, "redact", refuse)
    result = await outbox.redact(*ids)
    assert (result.done, result.refused["illegal"]) == (2, 1)
    assert "a rule of yours" in (result.problem or "")


async def test_nothing_is_selected_by_nothing(outbox: Outbox) -> None:
    with pytest.raises(OptionInvalid, match="ids or a filter"):
        await outbox.redact()
    with pytest.raises(UnknownBackend):
        await outbox.erase(filter=JobFilter(backend="gone"))
    with pytest.raises(OptionInvalid, match="status"):
        await outbox.erase(filter=JobFilter(status=JobStatus.PENDING))
    for last in (JobFilter(error_name="http_status"), JobFilter(code=503)):
        with pytest.raises(OptionInvalid, match="expected failed, beside an error's name"):
            await outbox.erase(filter=last)  # a kill would be their last error
    assert await outbox.audit() == []


async def test_a_job_that_a_field_can_t_be_taken_out_of_is_refused(outbox: Outbox) -> None:
    (plain,) = await ended(outbox, 1, **CARD)
    surrogate = JsonText(b'{"card": 41114111411141, "note": "\\ud800"}')
    await ended(outbox, 1, **CARD | {"payload": surrogate})
    result = await outbox.redact(filter=MINE, fields=["/card"])
    assert (result.done, result.skipped, result.refused["illegal"]) == (1, 0, 1)
    assert "a key is twice" in (result.problem or "")
    assert (await outbox.get(plain)).payload == {"card": "(redacted)", "id": 1}
    assert (await outbox.redact(filter=MINE)).done == 2
    assert "41114111411141" not in await text_of(outbox)


async def test_erasure_kills_waits_and_deletes_and_proves_it(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ended(outbox, 2, **CARD)
    (other,) = await ended(outbox, 1)
    (copy,) = await outbox.copy(other, payload={})
    await outbox.kill(copy.id)
    (taken,) = await enqueued(outbox, 1, **CARD)
    await outbox.store.claim({"api": 1}, "r")
    await enqueued(outbox, 1, **CARD)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        assert (await outbox.get(taken)).status is JobStatus.FAILED
        assert len(await outbox.find(assigned_to="user:7")) == 4 - 2 * (len(slept) - 1)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    result = await outbox.erase(filter=MINE, reason="asked for")
    monkeypatch.undo()
    assert (result.matched, result.done, result.killed, result.left) == (4, 4, 2, {})
    assert slept[0] == pytest.approx(40, abs=5)  # the attempt's timeout, and the lease's margin
    assert await outbox.find(assigned_to="user:7") == []
    entry = (await outbox.audit())[0]
    assert (entry.id, entry.action, entry.count) == (result.audit, "erase", 4)
    assert "user:7" not in json.dumps(dict(entry.selection))
    erased = await outbox.erase(other)
    assert (erased.done, erased.copies, erased.left) == (1, (copy.id,), {"copies": 1})


PAYLOAD = {"card": 4111, "items": [{"name": "x"}, {"name": "y"}], "a/b": {"~": 1}, "": 0}
JOB = Job(
    id="job:1",
    backend="api",
    path="/a",
    payload_json=json.dumps(PAYLOAD).encode(),
    status=JobStatus.FAILED,
    result_json=b'{"card": {"no": 4111}}',
    errors=(AttemptError(attempt=1, code=402, name="http_status", reason="card 4111", trace="card 4111"),),
    dedup_key="d",
    ordering_key="o",
    assigned_to="user:7",
)


def test_all_that_a_job_carries_is_taken_out_and_the_rest_stays() -> None:
    job = redacted(JOB, ())
    assert (job.payload, job.result) == ({}, None)
    assert (job.errors[0].reason, job.errors[0].trace) == ("(redacted)", "")
    back: dict[str, Any] = {name: getattr(JOB, name) for name in ("payload_json", "result_json", "errors")}
    assert attrs.evolve(job, **back) == JOB
    bare = without_keys(JOB)
    assert (bare.dedup_key, bare.ordering_key, bare.assigned_to, bare.payload) == (None, None, None, PAYLOAD)


@pytest.mark.parametrize(
    ("pointer", "payload", "result"),
    [
        ("/card", {"card": "(redacted)"}, {"card": "(redacted)"}),
        ("/card/no", {}, {"card": {"no": "(redacted)"}}),
        ("/items/1/name", {"items": [{"name": "x"}, {"name": "(redacted)"}]}, {}),
        ("/a~1b/~0", {"a/b": {"~": "(redacted)"}}, {}),
        ("/", {"": "(redacted)"}, {}),
    ],
)
def test_a_pointer_leads_into_payload_and_result(
    pointer: str, payload: dict[str, Any], result: dict[str, Any]
) -> None:
    job = redacted(JOB, (pointer, "/gone"))
    assert job.payload == PAYLOAD | payload
    assert job.result == {"card": {"no": 4111}} | result
    assert job.errors[0].reason == "(redacted)"
    assert matched(JOB, (pointer, "/gone")) == {pointer}


@pytest.mark.parametrize("pointer", ["/gone", "/items/2", "/items/-", "/items/x/name", "/card/4", "/items/²"])
def test_what_leads_nowhere_takes_nothing_out(pointer: str) -> None:
    assert redacted(JOB, (pointer,)).payload_json == JOB.payload_json
    assert matched(JOB, (pointer,)) == frozenset()


@pytest.mark.parametrize(
    "payload",
    [
        b"card 4111",
        b'{"card": 4111, "card": 1}',
        b'{"a": {"card": 4111}, "a": {}}',
        b'{"card": 4111, "x": 1e999}',
        b'{"card": 4111, "x": "\\ud800"}',
        b'{"card": 4111, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_a_payload_that_fields_can_t_be_taken_out_of_is_left_to_a_redaction_of_all(payload: bytes) -> None:
    job = attrs.evolve(JOB, payload_json=payload, result_json=None)
    with pytest.raises(ValueError):  # noqa: PT011  # whichever it is
        redacted(job, ("/card",))
    assert redacted(job, ()).payload == {}
