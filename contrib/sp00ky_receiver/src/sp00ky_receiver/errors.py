"""Say what is wrong: with a request, a setting, a connection, or a handler. None of them holds a secret."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

import attrs

from sp00ky_receiver.answer import Answer

__all__ = ["ReceiverError", "SettingInvalid", "ConnectionInvalid", "AnswerMissing", "ReceiptLost"]
__all__ += ["Refused", "SignatureInvalid", "KeyMissing", "KeyReused", "BodyTooLong"]


class ReceiverError(Exception):
    """The parent of all errors of this package."""


@attrs.define(kw_only=True, eq=False)
class SettingInvalid(ReceiverError):
    """A receiver can't be made with this setting.

    Attributes:
        setting: Its name.
        problem: What is wrong with it, and what to write instead.
    """

    setting: str
    problem: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.problem}"


@attrs.define(kw_only=True, eq=False)
class ConnectionInvalid(ReceiverError):
    """No receipt can be kept on this connection.

    Attributes:
        problem: What is wrong with it, and what to give instead.
    """

    problem: str

    def __str__(self) -> str:
        return f"connection: {self.problem}"


class AnswerMissing(ReceiverError):
    """A handler has ended without an answer: its transaction must not be committed."""

    def __str__(self) -> str:
        return "the block ended without an answer; call receipt.keep(Answer(...)) in it"


class ReceiptLost(ReceiverError):
    """A handler has rolled its transaction back itself, or Django will: no answer can be kept in it."""

    def __str__(self) -> str:
        return (
            "the transaction was rolled back within the block, or an error there marked it for that; "
            "leave its end to the code that began it"
        )


@attrs.define(kw_only=True, eq=False)
class Refused(ReceiverError):
    """A request is refused; nothing was done.

    Attributes:
        reason: One line, which the sender is to see.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    reason: str

    def __str__(self) -> str:
        return self.reason

    def answer(self) -> Answer:
        """Return what the sender is answered."""
        headers = (("content-type", "text/plain; charset=utf-8"),)
        return Answer(status=self.status, headers=headers, body=f"{self.reason}\n".encode())


class SignatureInvalid(Refused):
    """The request isn't signed, not by a secret that is known here, or not lately."""

    status: ClassVar[HTTPStatus] = HTTPStatus.UNAUTHORIZED


class KeyMissing(Refused):
    """The request has no key, or one that is too long."""


class KeyReused(Refused):
    """The key is that of another request."""

    status: ClassVar[HTTPStatus] = HTTPStatus.UNPROCESSABLE_ENTITY


class BodyTooLong(Refused):
    """The body is longer than what is read."""

    status: ClassVar[HTTPStatus] = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
