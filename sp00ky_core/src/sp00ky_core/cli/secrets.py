"""Hide secrets in whatever a command prints or logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from sp00ky_core.config import BackendConfig, Config

SHORTEST_TOKEN = 4
SHORTEST_PASSWORD = 8
"""Characters. A shorter password, such as ``root``, is hidden in ``user:password@`` alone: it is a word."""


class Secrets:
    """Hides secrets, as the last line of defence: libraries put URLs and headers into their errors."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._backends: tuple[BackendConfig, ...] = ()  # whose token changes with its file

    def remember(self, config: Config, store_url: str = "") -> None:
        """Hide what this configuration holds."""
        self._backends = tuple(config.backends.values())
        self._remember_tokens()
        for backend in self._backends:
            self._texts.update(secret.value for secret in backend.signing_secrets)
            sent = (secret.value for secret in backend.headers.values())
            self._texts.update(text for text in sent if len(text) >= SHORTEST_TOKEN)
            if backend.password is not None:
                self._texts.update(_password(backend.password.value))
        if config.surrealdb and config.surrealdb.password:
            self._texts.update(_password(config.surrealdb.password.value))
        self._texts.update(_of_url(store_url))

    def hidden(self, text: str) -> str:
        """Replace every secret in the text."""
        self._remember_tokens()
        for secret in sorted(self._texts, key=len, reverse=True):  # one may contain another
            text = text.replace(secret, "***")
        return text

    def _remember_tokens(self) -> None:
        from sp00ky_core.errors import ConfigError  # noqa: PLC0415  # what starts a command needs no errors

        for backend in self._backends:
            with suppress(ConfigError):
                token = backend.current_token()
                if token and len(token.value) >= SHORTEST_TOKEN:
                    self._texts.add(token.value)


def _of_url(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    userinfo, at, _ = parts.netloc.rpartition("@")
    if ":" in userinfo:
        yield userinfo + at
        yield from _password(userinfo.partition(":")[2])
    for name, value in parse_qsl(parts.query):
        if name in {"token", "password"} and len(value) >= SHORTEST_TOKEN:
            yield value


def _password(written: str) -> Iterator[str]:
    if len(written) >= SHORTEST_PASSWORD:
        yield from {written, unquote(written)}
