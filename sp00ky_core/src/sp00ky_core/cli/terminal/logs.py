"""Log records on stderr: one line each, without secrets, and a traceback only where it is asked for."""

from __future__ import annotations

import copy
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points

from sp00ky_core.cli.terminal.output import one_line
from sp00ky_core.cli.terminal.secrets import Secrets
from sp00ky_core.plugins.registry import GROUP


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
        for name in _ours():
            logging.getLogger(name).setLevel(logging.NOTSET)


def set_level(level: str) -> None:
    """Set the level of the outbox, its adapters and plugins; those of others may print secrets."""
    for name in _ours():
        logging.getLogger(name).setLevel(level.upper())


def _ours() -> set[str]:
    return {"sp00ky", "sp00ky_core", *(point.module.partition(".")[0] for point in entry_points(group=GROUP))}


class _StderrHandler(logging.Handler):
    """Looks stderr up for each record: a live display replaces it for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print(self.format(record), file=sys.stderr, flush=True)
        except Exception:  # noqa: BLE001  # as logging does: a record that can't be shown stops nothing
            self.handleError(record)


class _OneLine(logging.Formatter):
    def __init__(self, secrets: Secrets, *, debug: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = secrets
        self._debug = debug

    def format(self, record: logging.LogRecord) -> str:
        if self._debug:
            return self._secrets.hidden(super().format(record))
        record = copy.copy(record)  # other handlers get the whole traceback
        error = record.exc_info[1] if record.exc_info else None
        record.exc_info = record.exc_text = record.stack_info = None
        text = super().format(record)
        return self._secrets.hidden(one_line(f"{text}: {type(error).__name__}: {error}" if error else text))
