"""Name what an adapter writes: a database's connections, transactions, errors and news."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import ClassVar, TypeVar

from sp00ky_core.stores.transactional.connection.session import Access, Session, Work

T = TypeVar("T")


class Primitives(ABC):
    """The part of a ``TransactionalStore`` that knows the database; the rest follows from it.

    Attributes:
        cancels: A call that is cancelled cancels ``run``, which ends what the database does for it; else its
            transaction comes to its own end.
    """

    cancels: ClassVar[bool] = False

    @property
    @abstractmethod
    def location(self) -> str:
        """See ``Store.location``."""

    @abstractmethod
    async def run(self, work: Work[T], access: Access) -> T:
        """Begin a transaction, do the work in it, and commit; roll back if it raises.

        It connects where there is no connection, and once more where the one there is can't begin. Unless
        ``cancels``, it is cancelled only with the event loop; then, too, no transaction may be left open.
        After a deadlock, or where a transaction couldn't be serialized, it may do the work again, in a new
        one.
        """

    @abstractmethod
    async def disconnect(self) -> None:
        """Let go of every connection; ``run`` may connect again."""

    @abstractmethod
    def adopt(self, connection: object, access: Access) -> Session | None:
        """Make a session of a caller's connection, in its transaction; None: it is of no kind known here.

        With ``Access.READ`` it only reads, and the connection may be outside a transaction.

        Raises:
            OptionInvalid: It would commit each statement on its own.
        """

    @abstractmethod
    def translate(self, error: Exception) -> Exception:
        """Turn a driver's error into a ``StoreError``, or its child that fits.

        It gets whatever was raised: what isn't the driver's is to be returned as it is.
        """

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yield when other processes, or transactions of callers', may have written.

        To yield once too often costs a look at the tables. What it raises is logged, and it is called again.
        An adapter leaves it as it is where its capabilities promise neither ``transactions`` nor
        ``signals_across_processes``.
        """
        nothing: tuple[None, ...] = ()
        for each in nothing:
            yield each
