"""Publish events, and keep the endpoints that they are sent to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict, TypeVar, Unpack
from uuid import UUID, uuid5

import attrs

from sp00ky_core import CallerConnection, Job, JobStatus, NewJob
from sp00ky_core.errors import ConfigError, OptionInvalid
from sp00ky_core.ports import (
    ActOptions,
    ActRecord,
    ExtensionContext,
    ExtensionTransaction,
    Is,
    JobQuery,
    KeyedJob,
    Row,
    Table,
    TransactionWork,
)
from sp00ky_webhooks import model, schemas, signatures, tables
from sp00ky_webhooks.addresses import AddressRefused, place_of, resolved
from sp00ky_webhooks.model import Endpoint, EndpointNotFound, EndpointSecret, Event
from sp00ky_webhooks.tables import ENDPOINTS, EVENTS, SUBSCRIPTIONS, endpoint_of

__all__ = ["Changes", "Endpoints", "Webhooks"]

NAMESPACE = UUID("6f7b8a54-8f0e-4c38-9f57-3f6a8e6f2f54")
PATIENCE = 5.0
"""Seconds for which a new host is looked for."""
PING_TOPIC = "sp00ky.ping"
PAGE = 500
"""Jobs that are looked at, or rows that are deleted, at a time."""
T = TypeVar("T")
Plan = tuple[Mapping[Table, Sequence[Row]], Sequence[KeyedJob]]


class Changes(TypedDict, total=False):
    """What may be changed of an endpoint; what isn't named stays.

    Attributes:
        url: Where its requests go.
        topics: Patterns.
        filter: By JSON pointer, what payloads must have; None: nothing.
        headers: Its own, all of them.
        rate: Such as ``20/s``; None: as configured.
    """

    url: str
    topics: Sequence[str]
    filter: Mapping[str, Any] | None
    headers: Mapping[str, str] | None
    rate: str | None


@attrs.frozen
class Endpoints:
    """The endpoints, or those of one tenant.

    Attributes:
        webhooks: Whose they are.
    """

    webhooks: Webhooks

    async def create(
        self,
        *,
        id: str | None = None,  # noqa: A002  # as rows have it
        assigned_to: str | None = None,
        secret: str | None = None,
        **given: Unpack[Changes],
    ) -> EndpointSecret:
        """Make an endpoint, with a secret that is shown this once.

        Raises:
            OptionInvalid: What is wrong with what is given: nothing is written.
        """
        given.setdefault("topics", ("#",))
        if "url" not in given:
            raise OptionInvalid(option="url", value="nothing", expected="where its requests go")
        own_id = model.new_id("ep") if id is None else model.checked_id("id", id)
        owner = self.webhooks.owner_of(model.checked_owner(assigned_to))
        key = signatures.new_secret() if secret is None else signatures.checked_secret(secret)
        kept = signatures.secrets_to_text([signatures.Kept(key)])
        values_ = await self._values(given)

        async def work(tx: ExtensionTransaction) -> Row:
            row: Row = {**dict.fromkeys(ENDPOINTS.kinds), **values_, "id": own_id, "assigned_to": owner}
            row |= {"enabled": 1, "secrets": kept, "created_at": tx.now, "updated_at": tx.now}
            if not await tx.insert_once(ENDPOINTS, row):
                raise OptionInvalid(option="id", value=repr(own_id), expected="one that no endpoint has yet")
            await tables.subscribe(tx, row)
            return row

        row = await self._done("create", own_id, work)
        return EndpointSecret(endpoint=endpoint_of(row), secret=key)

    async def get(self, endpoint_id: str) -> Endpoint:
        """Return an endpoint. Raises ``EndpointNotFound``."""
        return endpoint_of(await self.webhooks.context.read(lambda tx: self._row(tx, endpoint_id)))

    async def list(
        self, *, assigned_to: str | None = None, after: str = "", limit: int = 100
    ) -> list[Endpoint]:
        """List endpoints by their ids, those of one tenant where it is said which."""
        owner = self.webhooks.owner_of(model.checked_owner(assigned_to))
        where = [Is("id", ">", after)] + ([] if owner is None else [Is("assigned_to", "=", owner)])

        async def work(tx: ExtensionTransaction) -> Sequence[Row]:
            return await tx.select(ENDPOINTS, where, order=("id",), limit=limit)

        return [endpoint_of(row) for row in await self.webhooks.context.read(work)]

    async def update(self, endpoint_id: str, **changes: Unpack[Changes]) -> Endpoint:
        """Change an endpoint, and encrypt it anew. Raises ``EndpointNotFound``, ``OptionInvalid``."""
        values_ = await self._values(changes)
        return await self._changed("update", endpoint_id, lambda row, _: tables.resealed(row) | values_)

    async def enable(self, endpoint_id: str) -> Endpoint:
        """Have an endpoint get deliveries again; those that failed meanwhile are sent by ``recover``."""
        cleared = dict.fromkeys(("disabled_reason", "failing_since", "not_before"))
        return await self._changed("enable", endpoint_id, lambda *_: {"enabled": 1, **cleared})

    async def disable(self, endpoint_id: str, *, reason: str | None = None) -> Endpoint:
        """Have an endpoint get no deliveries; those that wait fail."""
        changes = {
            "enabled": 0,
            "disabled_reason": (reason or self.webhooks.act.get("reason") or "by hand")[:500],
        }
        return await self._changed("disable", endpoint_id, lambda *_: changes)

    async def rotate(self, endpoint_id: str, *, secret: str | None = None) -> EndpointSecret:
        """Replace an endpoint's secret, which is shown this once; for 24 h the one before signs, too."""
        key = signatures.new_secret() if secret is None else signatures.checked_secret(secret)

        def change(row: Row, now: datetime) -> Row:
            kept = signatures.rotated(signatures.kept_in(row["secrets"]), key, now)
            return {"secrets": signatures.secrets_to_text(kept)}

        return EndpointSecret(endpoint=await self._changed("rotate", endpoint_id, change), secret=key)

    async def delete(self, endpoint_id: str) -> None:
        """Delete an endpoint; deliveries that wait fail. Raises ``EndpointNotFound``."""

        async def work(tx: ExtensionTransaction) -> None:
            await self._row(tx, endpoint_id)
            await tx.delete(SUBSCRIPTIONS, [Is("endpoint_id", "=", endpoint_id)])
            await tx.delete(ENDPOINTS, [Is("id", "=", endpoint_id)])

        await self._done("delete", endpoint_id, work)

    async def test(self, endpoint_id: str) -> Event:
        """Send an endpoint a ping, whatever its topics. Raises ``EndpointNotFound``."""
        endpoint, sender = await self.get(endpoint_id), self.webhooks
        given: Any = {"assigned_to": endpoint.assigned_to, "to": [endpoint.id]}
        async with sender.acting("test", endpoint_id) as record:
            event = await sender.publish(PING_TOPIC, {"endpoint": endpoint.id}, checked=False, **given)
            await record.reach(len(event.deliveries))
        return event

    async def _changed(self, act: str, endpoint_id: str, changes: Callable[[Row, datetime], Row]) -> Endpoint:
        async def work(tx: ExtensionTransaction) -> Row:
            row = await self._row(tx, endpoint_id)
            changed = {**changes(row, tx.now), "updated_at": tx.now}
            await tx.update(ENDPOINTS, [Is("id", "=", endpoint_id)], changed)
            await tables.subscribe(tx, row | changed)
            return row | changed

        return endpoint_of(await self._done(act, endpoint_id, work))

    async def _done(self, act: str, endpoint_id: str, work: TransactionWork[T]) -> T:
        async with self.webhooks.acting(act, endpoint_id) as record:
            done = await self.webhooks.context.transact(work)
            await record.reach(1)
        return done

    async def _row(self, tx: ExtensionTransaction, endpoint_id: str) -> Row:
        for row in await tx.select(ENDPOINTS, [Is("id", "=", endpoint_id)]):
            if self.webhooks.owner in {None, row["assigned_to"]}:
                return row
        raise EndpointNotFound(endpoint=endpoint_id)

    async def _values(self, given: Changes) -> Row:
        """Return columns as they are stored. Raises ``OptionInvalid``."""
        for name in given.keys() - Changes.__annotations__.keys():
            expected = f"one of {', '.join(Changes.__annotations__)}"
            raise OptionInvalid(option=name, value="what was given", expected=expected)
        made: Row = {**given}
        if "url" in given:
            made["url"] = await self._checked_url(given["url"])
        if "topics" in given:
            made["topics"] = json.dumps(model.checked_patterns(given["topics"], self.webhooks.options.topics))
        if given.get("filter") is not None:
            made["filter"] = json.dumps(model.checked_filter(given["filter"]))
        if "headers" in given:
            made["headers"] = tables.headers_to_text(given["headers"] or {})
        if given.get("rate") is not None:
            model.rate_of(given["rate"])
        return made

    async def _checked_url(self, url: str) -> str:
        allowed = self.webhooks.options.allow_private
        place = place_of(url, allowed)
        try:
            async with asyncio.timeout(PATIENCE):
                await resolved(place, allowed)
        except TimeoutError:
            pass  # as a host that isn't known yet: it is looked for at each delivery
        except AddressRefused as refused:
            if not refused.is_unknown:
                expected = f"the URL of a public host: {refused}"
                raise OptionInvalid(option="url", value=repr(place.host)[:70], expected=expected) from None
        return url


@attrs.frozen
class Webhooks:
    """Publish events to the endpoints that want them.

    Attributes:
        context: What it works with.
        owner: The tenant to whom all is limited; None: to none.
        act: What the audit says of who does it.
    """

    context: ExtensionContext
    owner: str | None = None
    act: ActOptions = attrs.field(factory=ActOptions)

    @property
    def options(self) -> Any:
        """The section ``webhooks:``."""
        return self.context.options

    @property
    def endpoints(self) -> Endpoints:
        """The endpoints."""
        return Endpoints(self)

    @property
    def backend(self) -> str:
        """The backend whose jobs are deliveries. Raises ``ConfigError``."""
        for name, backend in self.context.backends.items():
            if backend.config.transport_name == "webhook":
                return name
        problem = "none delivers webhooks; add one with `baseUrl: webhook://endpoints`"
        raise ConfigError(file="", key="backends", problem=problem)

    def of(self, assigned_to: str) -> Webhooks:
        """Return it for one tenant: nothing of another's can be seen or changed."""
        return attrs.evolve(self, owner=model.checked_owner(assigned_to))

    def by(self, **act: Unpack[ActOptions]) -> Webhooks:
        """Return it for somebody: the audit says who does what by it, and why."""
        return attrs.evolve(self, act=act)

    def acting(self, act: str, endpoint_id: str) -> AbstractAsyncContextManager[ActRecord]:
        """Write an act down before it begins, and its end."""
        return self.context.audited(f"webhooks {act}", {"endpoint": endpoint_id}, **self.act)

    def owner_of(self, assigned_to: str | None) -> str | None:
        """Return whom something is for. Raises ``OptionInvalid`` where that is another tenant."""
        if self.owner is not None and assigned_to not in {None, self.owner}:
            raise OptionInvalid(option="assigned_to", value=repr(assigned_to)[:70], expected=repr(self.owner))
        return assigned_to if self.owner is None else self.owner

    async def publish(
        self,
        topic: str,
        payload: Mapping[str, Any],
        *,
        assigned_to: str | None = None,
        connection: CallerConnection | None = None,
        event_id: str | None = None,
        to: Sequence[str] | None = None,
        checked: bool = True,
    ) -> Event:
        """Publish an event: one delivery for each endpoint that wants it.

        Args:
            topic: What has happened, such as ``order.paid``.
            payload: A JSON object; receivers find it under ``data``.
            assigned_to: Whose event it is: only their endpoints get it. None: those that are nobody's.
            connection: Yours: the deliveries are there when its transaction commits.
            event_id: The same for what is to be published once.
            to: The ids of the endpoints, instead of those that want the topic.
            checked: Hold topic and payload against what is declared.

        Raises:
            OptionInvalid: The topic or the payload isn't what is declared: nothing is written.
        """
        event = self.event(topic, payload, assigned_to, event_id, checked=checked)
        if connection is None:
            return await self.context.transact(lambda tx: self._published(tx, event, payload, to))
        rows, jobs = await self.planned(event, payload, to)
        return event.made(await self.context.insert(connection, rows, jobs))

    async def planned(self, event: Event, payload: Mapping[str, Any], to: Sequence[str] | None) -> Plan:
        """Return the rows and the jobs of an event, for a caller's transaction."""
        return await self.context.read(lambda tx: self._plan(tx, event, payload, to))

    def event(
        self, topic: str, payload: Any, assigned_to: str | None, event_id: str | None, *, checked: bool = True
    ) -> Event:
        """Return an event that may be published. Raises ``OptionInvalid``."""
        declared = self.options.topics
        text = model.checked_topic(topic, declared if checked else ())
        if not isinstance(payload, Mapping):
            raise OptionInvalid(option="payload", value=repr(payload)[:70], expected="a JSON object")
        if checked:
            schemas.check(text, payload, declared)
        own_id = model.new_id("evt") if event_id is None else model.checked_id("event_id", event_id)
        return Event(id=own_id, topic=text, assigned_to=self.owner_of(model.checked_owner(assigned_to)))

    async def _published(
        self, tx: ExtensionTransaction, event: Event, payload: Mapping[str, Any], to: Sequence[str] | None
    ) -> Event:
        rows, jobs = await self._plan(tx, event, payload, to)
        await tx.put(EVENTS, rows[EVENTS])
        return event.made(await tx.enqueue(jobs))

    async def _plan(
        self, tx: ExtensionTransaction, event: Event, payload: Mapping[str, Any], to: Sequence[str] | None
    ) -> Plan:
        row = {"id": event.id, "topic": event.topic, "assigned_to": event.assigned_to, "created_at": tx.now}
        body = {"id": event.id, "type": event.topic, "timestamp": tx.now.isoformat(), "data": payload}
        found = [(one["id"], one["not_before"]) for one in await self._wanting(tx, event, payload, to)]
        jobs = [
            self._delivery(
                name, body, event.assigned_to, event.id, until if until and until > tx.now else None
            )
            for name, until in found
        ]
        return {EVENTS: [row]}, jobs

    async def _wanting(
        self, tx: ExtensionTransaction, event: Event, payload: Mapping[str, Any], to: Sequence[str] | None
    ) -> list[Row]:
        """Find the endpoints that an event is for, by the index of their patterns."""
        if self.options.endpoints is not None:
            return [{"id": model.checked_id("to", one), "not_before": None} for one in to or ()]
        if to is None:
            patterns = tuple(model.patterns_of(event.topic))
            where = [Is("assigned_to", "=", event.assigned_to or ""), Is("pattern", "in", patterns)]
            rows = await tx.select(SUBSCRIPTIONS, where)
            met = [row for row in rows if tables.wants(row, payload)]
            return [*{row["endpoint_id"]: {**row, "id": row["endpoint_id"]} for row in met}.values()]
        columns = ("id", "assigned_to", "not_before", "enabled")
        found = await tx.select(ENDPOINTS, [Is("id", "in", tuple(to))], columns=columns)
        theirs = {row["id"]: row for row in found if row["assigned_to"] == event.assigned_to}
        for name in to:
            if name not in theirs:
                raise EndpointNotFound(endpoint=name)
        return [row for row in theirs.values() if row["enabled"]]

    def _delivery(
        self, endpoint_id: str, body: Any, owner: str | None, key: str, run_at: datetime | None = None
    ) -> KeyedJob:
        job = NewJob(
            backend=self.backend,
            path=f"/{endpoint_id}",
            payload=body,
            assigned_to=owner,
            max_retries=0 if body["type"] == PING_TOPIC else len(self.options.schedule),
            run_at=run_at,
        )
        return KeyedJob(job=job, key=uuid5(NAMESPACE, f"{key} {endpoint_id}"))

    async def deliveries(
        self, endpoint_id: str, *, status: str | None = None, limit: int = 50, after: str | None = None
    ) -> list[Job]:
        """List deliveries of an endpoint, newest first. Raises ``EndpointNotFound``."""
        await self._own(endpoint_id)
        return await self.context.jobs.find(self._query(endpoint_id, status=status, limit=limit, after=after))

    async def delivery(self, delivery: str) -> Job:
        """Return a delivery. Raises ``EndpointNotFound``, ``JobNotFound``."""
        job = await self.context.jobs.get(delivery)
        if job.backend != self.backend or self.owner not in {None, job.assigned_to}:
            raise EndpointNotFound(endpoint=job.path[1:])
        await self._own(job.path[1:])
        return job

    async def resend(self, delivery: str) -> str:
        """Send a delivery that has ended once more, with the same id; the id of its job.

        Raises:
            EndpointNotFound: It is another tenant's, or no delivery.
            OptionInvalid: It hasn't ended.
        """
        job = await self.delivery(delivery)
        async with self.acting("resend", job.path[1:]) as record:
            sent = await self._sent_again([job])
            if not sent:
                raise OptionInvalid(option="delivery", value=repr(job.id), expected="one that has ended")
            await record.reach(1)
        return sent[0]

    async def replay(self, endpoint_id: str, *, since: datetime, until: datetime | None = None) -> int:
        """Send all deliveries of an endpoint that have ended once more, of a time, but no ping; how many.

        Raises:
            EndpointNotFound: There is no such endpoint.
        """
        return await self._all_again("replay", endpoint_id, since=since, until=until or datetime.now(UTC))

    async def recover(self, endpoint_id: str, *, since: datetime | None = None) -> int:
        """Send the deliveries of an endpoint that failed since a time once more, but no ping; how many."""
        failed: Any = {"status": JobStatus.FAILED, "failed_since": since, "until": datetime.now(UTC)}
        return await self._all_again("recover", endpoint_id, **failed)

    async def _all_again(self, act: str, endpoint_id: str, **conditions: Any) -> int:
        await self._own(endpoint_id)
        query, count = self._query(endpoint_id, limit=PAGE, **conditions), 0
        async with self.acting(act, endpoint_id) as record:
            while jobs := await self.context.jobs.find(query):
                count += len(await self._sent_again([job for job in jobs if not await self._is_ping(job)]))
                await record.reach(count)
                query = attrs.evolve(query, after=jobs[-1].id)
        return count

    def _query(self, endpoint_id: str, **conditions: Any) -> JobQuery:
        return JobQuery(backend=self.backend, path=f"/{endpoint_id}", assigned_to=self.owner, **conditions)

    async def _is_ping(self, job: Job) -> bool:
        whole = await self.context.jobs.get(job.id) if job.max_retries == 0 else job
        return whole is not job and tables.read_json(whole.payload_json, dict).get("type") == PING_TOPIC

    async def _sent_again(self, jobs: Sequence[Job]) -> list[str]:
        """Make failed deliveries pending, and copies of those that succeeded; the ids of what is sent."""
        failed = [job.id for job in jobs if job.status is JobStatus.FAILED]
        if failed:
            await self.context.jobs.retry(failed)
        key, copies = model.new_id("copy"), list[KeyedJob]()
        for job in jobs:
            if job.status is JobStatus.SUCCESS:
                body = json.loads((await self.context.jobs.get(job.id)).payload_json)
                copies.append(self._delivery(job.path[1:], body, job.assigned_to, f"{key} {job.id}"))
        return [*failed, *(job.id for job in await self.context.transact(lambda tx: tx.enqueue(copies)))]

    async def _own(self, endpoint_id: str) -> None:
        if self.options.endpoints is None:
            await self.endpoints.get(endpoint_id)

    # What runners do.

    async def disable_failed(self, endpoint_id: str, reason: str) -> bool:
        """Disable an endpoint that fails, once; tell its owner's other endpoints, and those who observe."""
        changes = {"enabled": 0, "disabled_reason": reason}

        async def work(tx: ExtensionTransaction) -> Row | None:
            where = [Is("id", "=", endpoint_id), Is("enabled", "=", 1)]
            rows = await tx.select(ENDPOINTS, where)
            if not rows or not await tx.update(ENDPOINTS, where, {**changes, "updated_at": tx.now}):
                return None
            await tables.subscribe(tx, {**rows[0], **changes})
            owner = rows[0]["assigned_to"]
            event = Event(id=model.new_id("evt"), topic=model.DISABLED_TOPIC, assigned_to=owner)
            await self._published(tx, event, {"endpoint": endpoint_id, "reason": reason}, None)
            return {**rows[0], **changes}

        row = await self.context.transact(work)
        if row is not None:
            await self.context.observe("sp00ky_endpoint_disabled", endpoint=endpoint_of(row), reason=reason)
        return row is not None

    async def disable_failing(self) -> int:
        """Disable the endpoints that have done nothing but fail for ``disableAfter``; how many."""

        async def work(tx: ExtensionTransaction) -> list[Row]:
            since = tx.now - timedelta(seconds=self.options.disable_after)
            where = [Is("failing_since", "<=", since), Is("enabled", "=", 1)]
            return await tx.select(ENDPOINTS, where, columns=("id",), limit=PAGE)

        reason = "nothing but failures for too long; enable it once it is repaired"
        rows = await self.context.read(work)
        return sum([await self.disable_failed(row["id"], reason) for row in rows])

    async def prune(self) -> int:
        """Delete some events that are older than they are kept; how many."""

        async def work(tx: ExtensionTransaction) -> int:
            before = tx.now - timedelta(seconds=self.options.keep_events)
            rows = await tx.select(EVENTS, [Is("created_at", "<", before)], columns=("id",), limit=PAGE)
            return await tx.delete(EVENTS, [Is("id", "in", tuple(row["id"] for row in rows))]) if rows else 0

        return await self.context.transact(work)
