"""Work on connections that callers bring, of libraries that aren't imported here."""

from sp00ky_core.stores.callers.blocking import finished
from sp00ky_core.stores.callers.kinds import (
    django_of,
    kinds_of,
    refuse_asynchronous,
    refuse_synchronous,
    refuse_unfit,
    sqlalchemy_of,
    unknown_kind,
)

__all__ = [
    "finished",
    "kinds_of",
    "sqlalchemy_of",
    "django_of",
    "refuse_unfit",
    "refuse_asynchronous",
    "refuse_synchronous",
    "unknown_kind",
]
