"""Say and log on stderr: a line each, text or JSON; hide secrets in whatever a command prints or logs."""

from __future__ import annotations

import copy
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import click

from sp00ky_core.encoding.escaping import plain

if TYPE_CHECKING:
    from sp00ky_core.config import BackendConfig, Config

__all__ = ["one_line", "say"]

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

FACTS = (
    *("job_id", "trace_id", "backend", "path", "attempt", "epoch"),
    *("outcome", "code", "duration_ms", "count", "runner_id"),
)
"""Attributes of a record that JSON has beside ``ts``, ``level``, ``event``, ``logger`` and ``message``."""


def say(text: str) -> None:
    """Print one line on stderr."""
    click.echo(f"sp00ky: {one_line(text)}", err=True)


def say_warnings(kind: type[Warning]) -> None:
    """Say each warning of a kind as a line from now on; others go where they go."""
    show_other = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, kind):
            say(f"warning: {message}")
        else:
            show_other(message, category, *where, **more)

    warnings.simplefilter("always", kind)
    warnings.showwarning = show


def one_line(text: str) -> str:
    """Return the text with every line break and run of spaces as one space."""
    return plain(" ".join(text.split()))


@contextmanager
def logged(secrets: Secrets, *, debug: bool) -> Iterator[None]:
    """Show warnings of every library; ``set_level`` shows more of this project's."""
    root, handler = logging.getLogger(), _StderrHandler()
    handler.setFormatter(_OneLine(secrets, debug=debug))
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        if logging.getLogger("sp00ky").level:
            set_level("notset")


def set_level(level: str) -> None:
    """Set the level of the outbox, its adapters and plugins; those of others may print secrets."""
    from importlib.metadata import entry_points  # noqa: PLC0415  # few commands need it

    adapters = {point.module.partition(".")[0] for point in entry_points(group="sp00ky")}
    for name in {"sp00ky", "sp00ky_core", *adapters}:
        logging.getLogger(name).setLevel(level.upper())


def set_format(name: str) -> None:
    """Write lines of this form from now on: ``text`` or ``json``."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _StderrHandler) and isinstance(handler.formatter, _OneLine):
            kind = _JsonLine if name == "json" else _OneLine
            handler.setFormatter(kind(handler.formatter.secrets, debug=handler.formatter.debug))


class _StderrHandler(logging.Handler):
    """Writes to what is stderr now: a live display replaces it for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print(self.format(record), file=sys.stderr, flush=True)
        except Exception:  # noqa: BLE001  # as logging does: a record that can't be shown stops nothing
            self.handleError(record)


class _OneLine(logging.Formatter):
    def __init__(self, secrets: Secrets, *, debug: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self.secrets = secrets
        self.debug = debug

    def format(self, record: logging.LogRecord) -> str:
        if self.debug:
            return self.secrets.hidden(super().format(record))
        record = copy.copy(record)  # other handlers get the whole traceback
        error = record.exc_info[1] if record.exc_info else None
        record.exc_info = record.exc_text = record.stack_info = None
        trace = getattr(record, "trace", "")  # of a function that raised, which ends the message
        text = super().format(record).removesuffix(trace)
        line = one_line(f"{text}: {type(error).__name__}: {error}" if error else text)
        return self.secrets.hidden("\n    ".join([line, *map(plain, trace.splitlines())]))


class _JsonLine(_OneLine):
    """Writes what is known of a record apart; null is what isn't known of an attempt."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "ts": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", "message"),
            "logger": record.name,
            "message": record.getMessage().removesuffix(trace := getattr(record, "trace", "")).rstrip(),
            **{name: getattr(record, name) for name in FACTS if hasattr(record, name)},
        }
        if record.exc_info and record.exc_info[1]:
            error = record.exc_info[1]
            line["error"] = f"{type(error).__name__}: {error}"
            if self.debug:
                line["traceback"] = self.formatException(record.exc_info)
        if trace:
            line["traceback"] = trace
        # Hidden before it is escaped: a secret with a quote in it would not be found any more.
        hidden = {
            key: self.secrets.hidden(value) if isinstance(value, str) else value
            for key, value in line.items()
        }
        return json.dumps(hidden)


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
