"""Say what came of a message that the broker hasn't confirmed. Pure."""

from __future__ import annotations

from aio_pika import exceptions

from sp00ky_core import Undelivered
from sp00ky_core.job.outcome import CONNECT, RESET, THROTTLED, TIMEOUT

_CODES = {"NO_ROUTE": 312, "ACCESS_REFUSED": 403, "NOT_FOUND": 404, "PRECONDITION_FAILED": 406}
"""Reply codes by the word that a broker's text begins with: not every exception has the number."""


def undelivered(name: str, reason: str, code: int = 0, *, sent: bool = True) -> Undelivered:
    """Return an outcome with a code of AMQP's."""
    return Undelivered(name=name, reason=reason, code=code, scheme="amqp", sent=sent)


def words_of(error: BaseException) -> str:
    """Return a broker's own words, in a line; where it said nothing, the kind of the error."""
    said = next((text for text in error.args if isinstance(text, str)), "")
    return " ".join(said.split())[:300] or type(error).__name__


def code_of(error: BaseException) -> int:
    """Return the reply code of a broker's refusal; 0: there is none."""
    is_closed = isinstance(error, exceptions.ChannelClosed | exceptions.ConnectionClosed)
    number = next((code for code in error.args if is_closed and isinstance(code, int)), 0)
    return number or _CODES.get(_word_of(error), 0)


def _word_of(error: BaseException) -> str:
    return words_of(error).partition(" - ")[0]


def refusal(error: BaseException, *, was_sent: bool) -> Undelivered:
    """Return the outcome of a message, by what ended its connection, its channel, or itself."""
    code, words = code_of(error), words_of(error)
    if isinstance(error, exceptions.PublishError | exceptions.ChannelClosed) and code:
        return undelivered(_word_of(error).lower(), words, code)
    if isinstance(error, exceptions.DeliveryError):
        return undelivered(THROTTLED, "the broker doesn't take it now: it sent a nack")
    if was_sent and isinstance(error, TimeoutError):
        return undelivered(TIMEOUT, "no confirm in time; the broker may have the message")
    if was_sent:
        return undelivered(RESET, f"lost before the broker confirmed; it may have the message: {words}", code)
    return undelivered(CONNECT, f"no connection: {words}", code)
