"""Receive the signed requests of an outbox, and do what each of them asks once."""

from sp00ky_receiver.answer import Answer
from sp00ky_receiver.asgi import AsgiReceiver
from sp00ky_receiver.errors import (
    AnswerMissing,
    BodyTooLong,
    ConnectionInvalid,
    KeyMissing,
    KeyReused,
    ReceiptLost,
    ReceiverError,
    Refused,
    SettingInvalid,
    SignatureInvalid,
)
from sp00ky_receiver.exactly_once import Once, Receipt
from sp00ky_receiver.middleware_delivery import Delivery
from sp00ky_receiver.receiver import Receiver
from sp00ky_receiver.request import Call, Request
from sp00ky_receiver.signature import UNSIGNED, Unsigned
from sp00ky_receiver.table import table_statements
from sp00ky_receiver.wsgi import WsgiReceiver

__all__ = ["Answer", "AnswerMissing", "AsgiReceiver", "BodyTooLong", "Call", "ConnectionInvalid"]
__all__ += ["Delivery", "KeyMissing", "KeyReused", "Once", "Receipt", "ReceiptLost", "Receiver"]
__all__ += ["ReceiverError", "Refused", "Request", "SettingInvalid", "SignatureInvalid", "UNSIGNED"]
__all__ += ["Unsigned", "WsgiReceiver", "table_statements"]
