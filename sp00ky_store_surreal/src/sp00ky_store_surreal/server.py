"""A server's connection that reads on, whatever a reply holds.

The SDK's own reader (2.x) ends at a value that it can't decode: a set, an instant beyond Python's calendar.
It ends for good and without an error, and whoever waits waits for ever. One row of a client's is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surrealdb.cbor import CBORDecoder, CBORTag, loads
from surrealdb.connections.async_ws import AsyncWsSurrealConnection
from surrealdb.data.cbor import tag_decoder
from websockets.exceptions import WebSocketException

__all__ = ["ServerConnection", "UNREADABLE", "decoded"]

SET = 56
"""The tag of a set, which the SDK doesn't know."""


class _Unreadable:
    """Stands for a value that has no form here. It is no JSON, so no payload is sent with it."""

    def __repr__(self) -> str:
        return "<a value that can't be read>"


UNREADABLE = _Unreadable()


class ServerConnection(AsyncWsSurrealConnection):
    """The SDK's connection to a server, with a reader that no value ends."""

    async def _recv_task(self) -> None:
        try:
            async for data in self.socket:
                self._pass_on(decoded(data))
        except WebSocketException:
            return  # whoever waits is told by the cancellation, as the SDK does it
        finally:
            for waiting in self.qry.values():
                waiting.cancel()
            self.qry.clear()

    def _pass_on(self, reply: Mapping[str, Any]) -> None:
        waiting = self.qry.get(reply.get("id", ""))
        if waiting is not None and not waiting.done():  # done: its caller was cancelled just now
            waiting.set_result(dict(reply))
        news = reply.get("result")
        if "id" not in reply and isinstance(news, Mapping):
            for queue in self.live_queues.get(str(news.get("id")), ()):
                queue.put_nowait(dict(news))


def decoded(data: bytes) -> Any:
    """A reply; what can't be decoded in it is ``UNREADABLE``, a set is a list."""
    return loads(data, tag_hook=_value)


def _value(decoder: CBORDecoder, tag: CBORTag, shareable_index: int | None = None) -> Any:
    if tag.tag == SET:
        return tag.value
    try:
        return tag_decoder(decoder, tag, shareable_index)
    except Exception:  # noqa: BLE001  # whatever it is, the other values of the reply are sound
        return UNREADABLE
