"""Every error of the project, under one base.

An error carries its facts as fields, says what to do in its text, and never holds a secret. Adapters
translate what their libraries raise into these at their edge, with the cause chained.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import attrs

__all__ = [
    "Sp00kyError",
    "ConfigError",
    "ContractError",
    "PluginLoadError",
    "AdapterMissing",
    "UnknownBackend",
    "UnknownRoute",
    "UnknownStrategy",
    "Violation",
    "PayloadError",
    "PayloadInvalid",
    "PayloadNotJson",
    "PayloadTooLarge",
    "OptionInvalid",
    "CallUnsupported",
    "IllegalTransition",
    "JobNotFound",
    "StoreError",
    "StoreUnavailable",
    "StoreInUse",
    "SchemaError",
    "RowRefused",
]


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, or all of them."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(repr(each) for each in names[:10])}" if names else "none is known"


def shown(value: object) -> str:
    """A value as an error shows it: its ``repr``, cut to 80 characters, fit to be printed."""
    try:
        return repr(value)[:80].encode(errors="replace").decode()
    except Exception:  # noqa: BLE001  # an int of more digits than Python writes, somebody's own __repr__
        return type(value).__name__


class Sp00kyError(Exception):
    """The base of every error here; its text is one line that says what to do."""

    exit_code = 1
    """What the command line exits with: 1, the thing asked for failed; 2, usage or configuration."""


@attrs.define(kw_only=True, eq=False)
class ConfigError(Sp00kyError):
    """A configuration file that can't be used: which file, which key, and what to do."""

    exit_code = 2
    file: str
    key: str = ""
    """Dotted, as in ``backends.api.timeout``; empty where the whole file is meant."""
    problem: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.key, self.problem) if part)


@attrs.define(kw_only=True, eq=False)
class ContractError(ConfigError):
    """A backend's OpenAPI document that is missing, unreadable, or no OpenAPI 3 document."""


@attrs.define(kw_only=True, eq=False)
class PluginLoadError(Sp00kyError):
    """A plugin that can't be loaded; names the distribution that brought it."""

    exit_code = 2
    distribution: str
    problem: str

    def __str__(self) -> str:
        return f"plugin of {self.distribution}: {self.problem}; mend it or uninstall {self.distribution}"


@attrs.define(kw_only=True, eq=False)
class AdapterMissing(Sp00kyError):
    """No installed distribution provides what was asked for."""

    exit_code = 2
    kind: str
    """``store`` or ``transport``."""
    name: str
    distribution: str
    """The one to install; empty where none of ours provides it."""
    known: tuple[str, ...] = ()
    """The names that are installed."""

    def __str__(self) -> str:
        if self.distribution:
            mend = f"pip install {self.distribution}"
        else:
            mend = f"no known distribution has one; {nearest(self.name, self.known)}"
        return f"no {self.kind} is installed for {self.name!r}: {mend}"


@attrs.define(kw_only=True, eq=False)
class UnknownBackend(Sp00kyError):
    """No backend of that name is configured."""

    exit_code = 2
    backend: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return f"no backend {self.backend!r} in the configuration; {nearest(self.backend, self.known)}"


@attrs.define(kw_only=True, eq=False)
class UnknownRoute(Sp00kyError):
    """The path isn't a key of ``paths`` in the backend's OpenAPI document."""

    exit_code = 2
    backend: str
    path: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return f"backend {self.backend!r} has no route {self.path!r}; {nearest(self.path, self.known)}"


@attrs.define(kw_only=True, eq=False)
class UnknownStrategy(Sp00kyError):
    """No retry strategy of that name is built in or registered by a plugin."""

    exit_code = 2
    strategy: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return f"no retry strategy {self.strategy!r}; {nearest(self.strategy, self.known)}"


@attrs.frozen(kw_only=True)
class Violation:
    """One way in which a payload breaks its route's contract."""

    pointer: str
    """JSON Pointer (RFC 6901) into the payload; empty for the payload itself."""
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '(payload)'}: {self.message}"


class PayloadError(Sp00kyError):
    """The base of what can be wrong with a payload; nothing was written."""

    exit_code = 2


@attrs.define(kw_only=True, eq=False)
class PayloadInvalid(PayloadError):
    """The payload breaks the contract of its route: every violation, with its pointer."""

    backend: str
    path: str
    violations: tuple[Violation, ...]

    def __str__(self) -> str:
        listed = "; ".join(str(violation) for violation in self.violations)
        return f"payload for {self.backend} {self.path} breaks the contract: {listed}"


@attrs.define(kw_only=True, eq=False)
class PayloadNotJson(PayloadError):
    """The payload isn't a JSON object (NaN, bytes, cycles, lone surrogates, a list...)."""

    problem: str

    def __str__(self) -> str:
        return f"the payload must be a JSON object: {self.problem}"


@attrs.define(kw_only=True, eq=False)
class PayloadTooLarge(PayloadError):
    """The payload is over the limit on its size as JSON."""

    size: int
    """Bytes of JSON."""
    limit: int

    def __str__(self) -> str:
        return (
            f"the payload is {self.size} bytes of JSON, over the limit of {self.limit}: "
            "store the data elsewhere and send a reference, or raise maxPayloadBytes"
        )


@attrs.define(kw_only=True, eq=False)
class OptionInvalid(Sp00kyError, ValueError):
    """An option of a job or of a retry policy that is out of its range."""

    exit_code = 2
    option: str
    value: str
    """The offending value, by ``shown``."""
    expected: str

    def __str__(self) -> str:
        return f"{self.option} is {self.value}; expected {self.expected}"


@attrs.define(kw_only=True, eq=False)
class CallUnsupported(Sp00kyError):
    """The store has nothing of the kind; nothing was written."""

    exit_code = 2
    store: str
    """Its URL without secrets."""
    call: str
    instead: str
    """What to use on this store."""

    def __str__(self) -> str:
        return f"{self.store} has no {self.call}: {self.instead}"


@attrs.define(kw_only=True, eq=False)
class IllegalTransition(Sp00kyError):
    """The state machine has no such transition; the job stays as it is."""

    job_id: str
    status: str
    event: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"job {self.job_id} is {self.status}: it can't be {self.event}"
        return f"{text}; {self.hint}" if self.hint else text


@attrs.define(kw_only=True, eq=False)
class JobNotFound(Sp00kyError):
    """No job of that id is in the store."""

    job_id: str

    def __str__(self) -> str:
        return f"no job {self.job_id!r} (an id reads <table>:<key>; see: sp00ky jobs list)"


@attrs.define(kw_only=True, eq=False)
class StoreError(Sp00kyError):
    """The base of what a store reports; ``store`` is its URL without secrets."""

    store: str
    problem: str

    def __str__(self) -> str:
        return f"{self.store}: {self.problem}"


@attrs.define(kw_only=True, eq=False)
class StoreUnavailable(StoreError):
    """The database can't be reached now; the same call may work later."""


@attrs.define(kw_only=True, eq=False)
class StoreInUse(StoreError):
    """Another process owns the embedded database's file."""


@attrs.define(kw_only=True, eq=False)
class SchemaError(StoreError):
    """The database's tables aren't what the store needs: say which, and what to run."""


@attrs.define(kw_only=True, eq=False)
class RowRefused(StoreError):
    """The database refused a row that was to be written (an ASSERT, a CHECK, a permission)."""
