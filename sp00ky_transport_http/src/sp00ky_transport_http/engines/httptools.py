"""Send requests over plain asyncio connections with httptools' parser, each of them once."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable

from sp00ky_core.job.outcome import CONNECT, TLS
from sp00ky_transport_http.engines.exchange import Exchange, ExchangeFailed, Origin
from sp00ky_transport_http.engines.httptools_connection import Connection
from sp00ky_transport_http.engines.httptools_pool import Pool


class HttptoolsEngine:
    """Sends over a pool of connections; how many there may be is the caller's to bound.

    After a HEAD the connection is closed, for httptools' parser would wait for a body.
    """

    def __init__(self) -> None:
        self._pool: Pool | None = None

    async def open(self) -> None:
        """Make the pool; opening an open engine does nothing."""
        if self._pool is None:
            self._pool = Pool()

    async def close(self) -> None:
        """Close every connection; closing a closed engine does nothing."""
        if self._pool is not None:
            await self._pool.close()
        self._pool = None

    def run(self, exchange: Exchange) -> Awaitable[None]:
        """Send the request, once, and write into the exchange what comes back; see ``Engine``."""
        pool = self._pool
        if pool is None:
            raise RuntimeError("the engine isn't open")
        connection = None if exchange.fresh else pool.take(exchange.origin)
        if connection is None:
            return _run_anew(pool, exchange)
        exchange.connection = connection
        return connection.start(exchange)

    def cut_off(self, exchange: Exchange) -> None:
        """Close the connection of an exchange whose ``run`` was cancelled; see ``Engine``."""
        if isinstance(exchange.connection, Connection):
            exchange.connection.cut_off(exchange)


async def _run_anew(pool: Pool, exchange: Exchange) -> None:
    connection = await _connected(pool, exchange.origin)
    exchange.connection = connection
    await connection.start(exchange)


async def _connected(pool: Pool, origin: Origin) -> Connection:
    """Return a new connection. Raises ``ExchangeFailed``."""
    try:
        return await pool.connect(origin)
    except (ssl.SSLError, ssl.CertificateError) as error:
        raise ExchangeFailed(name=TLS, reason=f"no secure connection: {error}") from error
    except Exception as error:  # noqa: BLE001  # such as a host's name that can't be encoded
        said = error if isinstance(error, OSError) else type(error).__name__
        to_where = " to the proxy" if origin.proxy else ""
        raise ExchangeFailed(name=CONNECT, reason=f"no connection{to_where}: {said}") from None
