"""Deliver a job by publishing a message, and by waiting for the broker's confirm."""

from __future__ import annotations

import asyncio
import logging

from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelNotFoundEntity

from sp00ky_core import Attempt, BackendConfig, Delivered, Outcome, Undelivered
from sp00ky_core.encoding.json_bytes import JsonObject, decode
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.job.outcome import INVALID_PATH, INVALID_PAYLOAD, PROTOCOL, THROTTLED, UNKNOWN_ROUTE
from sp00ky_openapi import path_problem
from sp00ky_transport_amqp.connection import BrokerConnection
from sp00ky_transport_amqp.message import message_of
from sp00ky_transport_amqp.plugin import AmqpOptions
from sp00ky_transport_amqp.refusals import code_of, refusal, undelivered, words_of
from sp00ky_transport_amqp.routes import place_of

_log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that a broker is given to answer before the first delivery."""

ALARM = 1.0
"""Seconds for which a message waits for the end of an alarm."""


class AmqpTransport:
    """Delivers jobs to RabbitMQ, as ``sp00ky_core.ports.Transport`` promises."""

    def __init__(self) -> None:
        self._connections: dict[tuple[str, str], BrokerConnection] = {}

    async def open(self) -> None:
        """Do nothing: a connection is made by ``prepare``, or by the first job."""

    async def close(self) -> None:
        """Close every connection."""
        for at, connection in list(self._connections.items()):
            await connection.close()
            self._connections.pop(at, None)

    async def prepare(self, backend: BackendConfig) -> None:
        """Ask for the exchanges of the routes; a broker that is away keeps no runner from starting.

        Raises:
            Sp00kyError: the broker refuses them, or the user.
        """
        connection = self._connection(backend)
        for route in _options(backend).routes:
            try:
                async with asyncio.timeout(PATIENCE):
                    await connection.exchange(route.exchange)
            except ChannelNotFoundEntity:
                problem = (
                    f"the broker has no exchange {route.exchange!r}, of the route {route.text}; declare it"
                )
                raise Sp00kyError(problem) from None
            except CONNECTION_EXCEPTIONS as error:
                if code_of(error):
                    problem = f"the broker refuses the user {connection.user!r}: {words_of(error)}"
                    raise Sp00kyError(problem) from None
                _log.warning("backend %s: no connection to the broker: %s", backend.name, words_of(error))
                return

    def _connection(self, backend: BackendConfig) -> BrokerConnection:
        at = (backend.name, backend.base_url)
        if at not in self._connections:
            self._connections[at] = BrokerConnection(backend)
        return self._connections[at]

    async def deliver(self, attempt: Attempt) -> Outcome:
        """Publish the job's message and say whether the broker has it; see ``Transport``."""
        try:
            place = _place(attempt)
            return place if isinstance(place, Undelivered) else await self._published(attempt, *place)
        except Exception as error:  # noqa: BLE001  # one job's trouble must stay its own
            # Its text is left out, for it could hold a secret.
            _log.error("job %r: %s in the transport", attempt.job.id, type(error).__name__)
            return undelivered(PROTOCOL, f"the message can't be sent: {type(error).__name__}")

    async def _published(self, attempt: Attempt, name: str, key: str) -> Outcome:
        connection, options, was_sent = self._connection(attempt.backend), _options(attempt.backend), False
        message = message_of(attempt, key if options.cloud_events else None)
        try:
            async with asyncio.timeout(attempt.timeout):
                if not await connection.has_no_alarm(min(ALARM, attempt.timeout / 2)):
                    reason = "the broker has an alarm, and takes no messages"
                    return undelivered(THROTTLED, reason, sent=False)
                exchange, was_sent = await connection.exchange(name), True
                await exchange.publish(message, key, mandatory=options.mandatory)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return refusal(error, was_sent=was_sent)  # so the library ends what waits for a confirm
        except CONNECTION_EXCEPTIONS as error:
            return refusal(error, was_sent=was_sent)
        return Delivered(code=0, scheme="amqp")


def _options(backend: BackendConfig) -> AmqpOptions:
    return backend.options if isinstance(backend.options, AmqpOptions) else AmqpOptions(routes=())


def _place(attempt: Attempt) -> tuple[str, str] | Undelivered:
    """Return the exchange and the routing key of a job, or why it isn't sent."""
    path, payload_json, problem = attempt.job.path, attempt.job.payload_json, path_problem(attempt.job.path)
    if problem or path != attempt.operation.path:
        problem = problem or "it names another operation"
        return undelivered(INVALID_PATH, f"the path may not be used: {problem}")
    place = place_of(path, _options(attempt.backend).routes)
    if place is None:
        return undelivered(UNKNOWN_ROUTE, f"{path[:200]!r} isn't listed in the backend's routes")
    try:
        is_object = isinstance(payload_json, JsonObject) or isinstance(decode(payload_json.decode()), dict)
    except ValueError:
        is_object = False
    return place if is_object else undelivered(INVALID_PAYLOAD, "the payload isn't a JSON object")
