"""Raise every error of the project, under one base.

An error carries its facts as fields, says what to do in its text, and never holds a secret. Adapters
translate what their libraries raise into these at their edge, with the cause chained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from sp00ky_core.error_texts import former_names, install_hint, nearest, shown
from sp00ky_openapi.violations import Violation

__all__ = ["Sp00kyError", "CallUnsupported", "StoreError", "StoreUnavailable", "StoreClosed"]
__all__ += ["OtherEventLoop", "StoreInUse", "SchemaError", "RowRefused"]
__all__ += ["QueryRefused", "Violation", "PayloadError", "PayloadInvalid", "PayloadNotJson"]
__all__ += ["PayloadTooLarge", "OptionInvalid", "IllegalTransition", "ImportRefused", "JobNotFound"]
__all__ += ["JobIdAmbiguous", "BackendPaused", "RunnerGone", "ConfigError", "ContractError"]
__all__ += ["PluginLoadError", "PluginsCollide", "AdapterMissing", "MetricsMissing", "ModuleOutdated"]
__all__ += ["UnknownBackend", "UnknownRoute", "UnknownStrategy"]


class Sp00kyError(Exception):
    """The base of every error here; its text is one line that says what to do."""

    exit_code = 1
    """The exit code of the command line: 1, the thing asked for failed; 2, usage or configuration."""

    _text = ""
    """The text, where it is the same but for fields: ``{0.store}`` is the error's ``store``."""

    def __str__(self) -> str:
        """Return the text, with the fields filled in."""
        return self._text.format(self) if self._text else super().__str__()


class UsageError(Sp00kyError):
    """The base of what is wrong with what is given, before anything is done."""

    exit_code = 2


@attrs.define(kw_only=True, eq=False)
class CallUnsupported(UsageError):
    """The store has nothing of the kind; nothing was written.

    Attributes:
        store: Its URL without secrets.
        call: The call.
        instead: What to use on this store.
    """

    store: str
    call: str
    instead: str

    _text = "{0.store} has no {0.call}: {0.instead}"


@attrs.define(kw_only=True, eq=False)
class StoreError(Sp00kyError):
    """The base of what a store reports; ``store`` is its URL without secrets.

    Attributes:
        store: The store's URL without secrets.
        problem: What is wrong, in words.
    """

    store: str
    problem: str

    _text = "{0.store}: {0.problem}"


class StoreUnavailable(StoreError):
    """The database can't be reached now; the same call may work later."""


@attrs.define(kw_only=True, eq=False)
class StoreClosed(StoreError):
    """The outbox (or its store) was not opened, or has been closed; the database wasn't asked.

    Attributes:
        problem: What is wrong, in words.
    """

    problem: str = "the outbox isn't open: use it inside `async with Outbox.open(...)`"


@attrs.define(kw_only=True, eq=False)
class OtherEventLoop(StoreError):
    """The outbox is open in another event loop than the one that uses it; the database wasn't asked.

    Attributes:
        problem: What is wrong, in words.
    """

    problem: str = (
        "the outbox was opened in another event loop, which its connections belong to: "
        "open an Outbox in each loop, or one SyncOutbox for all threads"
    )


class StoreInUse(StoreError):
    """Another process owns the embedded database's file."""


class SchemaError(StoreError):
    """The database's tables aren't what the store needs: say which, and what to run."""


class RowRefused(StoreError):
    """The database refused a row that was to be written (an ASSERT, a CHECK, a permission)."""


class QueryRefused(StoreError):
    """A user's query can't be run: it doesn't only read, or the database refuses it."""


_LONGEST_POINTER = 300  # characters shown; a payload's keys may be of any length


class PayloadError(UsageError):
    """The base of what can be wrong with a payload; nothing was written.

    Attributes:
        violations: What is wrong, each with its JSON pointer; at least one.
        pointer: JSON Pointer (RFC 6901) of the first of them; empty for the payload itself.
    """

    @property
    def violations(self) -> tuple[Violation, ...]:
        """List what is wrong, and where."""
        return (Violation(pointer="", message=str(self)),)

    @property
    def pointer(self) -> str:
        """Say where the first violation is."""
        return self.violations[0].pointer


@attrs.define(kw_only=True, eq=False)
class PayloadInvalid(PayloadError):
    """The payload breaks the contract of its route: every violation, with its pointer.

    Attributes:
        backend: The backend's name.
        path: The route, as the backend's OpenAPI document has it.
        violations: All of them.
    """

    backend: str
    path: str
    violations: tuple[Violation, ...]

    def __str__(self) -> str:
        listed = "; ".join(str(violation) for violation in self.violations)
        return f"payload for {self.backend} {self.path} breaks the contract: {listed}"


@attrs.define(kw_only=True, eq=False)
class PayloadNotJson(PayloadError):
    """The payload isn't a JSON object (NaN, bytes, cycles, lone surrogates, a list...).

    Attributes:
        problem: What is wrong, in words.
        pointer: JSON Pointer of the first value that can't be written; empty for the payload itself.
    """

    problem: str
    pointer: str = ""

    @property
    def violations(self) -> tuple[Violation, ...]:
        """See ``PayloadError.violations``: the first."""
        return (Violation(pointer=self.pointer, message=self.problem),)

    def __str__(self) -> str:
        where = f"{self.pointer[:_LONGEST_POINTER]}: " if self.pointer else ""
        return f"the payload must be a JSON object: {where}{self.problem}"


@attrs.define(kw_only=True, eq=False)
class PayloadTooLarge(PayloadError):
    """The payload is over the limit on its size as JSON.

    Attributes:
        size: Bytes of JSON.
        limit: Bytes allowed: ``maxPayloadBytes``.
    """

    size: int
    limit: int

    _text = (
        "the payload is {0.size} bytes of JSON, over the limit of {0.limit}: "
        "store the data elsewhere and send a reference, or raise maxPayloadBytes"
    )


@attrs.define(kw_only=True, eq=False)
class OptionInvalid(UsageError, ValueError):
    """An option of a job or of a retry policy that is out of its range.

    Attributes:
        option: Its name.
        value: The offending value, by ``shown``.
        expected: What it may be, in words.
    """

    option: str
    value: str
    expected: str

    _text = "{0.option} is {0.value}; expected {0.expected}"


@attrs.define(kw_only=True, eq=False)
class IllegalTransition(Sp00kyError):
    """The state machine has no such transition; the job stays as it is.

    Attributes:
        job_id: The job's id.
        status: The job's status.
        event: What can't be done to it, as a participle.
        hint: What to do instead; may be empty.
    """

    job_id: str
    status: str
    event: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"job {self.job_id} is {self.status}: it can't be {self.event}"
        return f"{text}; {self.hint}" if self.hint else text


@attrs.define(kw_only=True, eq=False)
class ImportRefused(UsageError):
    """A file is no export that can be imported; nothing was.

    Attributes:
        file: The file.
        problem: What is wrong, with the line, and what to do about it.
    """

    file: str
    problem: str

    _text = "{0.file}: {0.problem}; nothing was imported"


@attrs.define(kw_only=True, eq=False)
class JobNotFound(Sp00kyError):
    """No job of that id is in the store.

    Attributes:
        job_id: The id that was asked for.
    """

    job_id: str

    _text = "no job {0.job_id!r} (an id reads <table>:<key>; see: sp00ky jobs list)"


@attrs.define(kw_only=True, eq=False)
class JobIdAmbiguous(Sp00kyError):
    """Several jobs have an id that begins so.

    Attributes:
        job_id: What was given, to be completed.
        candidates: Two of them.
    """

    job_id: str
    candidates: tuple[str, ...]

    _text = (
        "several jobs' ids begin with {0.job_id!r}, {0.candidates[0]} and {0.candidates[1]} for two: "
        "give more of it"
    )


@attrs.define(kw_only=True, eq=False)
class BackendPaused(Sp00kyError):
    """Jobs are left that wait for an operator to resume their backends.

    Attributes:
        backends: Theirs.
        jobs: How many.
    """

    backends: tuple[str, ...]
    jobs: int

    def __str__(self) -> str:
        names, verb = " and ".join(map(repr, self.backends)), "is" if len(self.backends) == 1 else "are"
        count = f"{self.jobs} job waits" if self.jobs == 1 else f"{self.jobs} jobs wait"
        return f"backend {names} {verb} paused, {count}; see: sp00ky backends resume {self.backends[0]}"


@attrs.define(kw_only=True, eq=False)
class RunnerGone(Sp00kyError):
    """There is no such runner, or it is dead; nothing was done.

    Attributes:
        runner_id: The one that was asked for.
        silent_for: Seconds since its last beat; None: it has no row.
        known: Those that are alive.
    """

    runner_id: str
    silent_for: float | None = None
    known: tuple[str, ...] = ()

    def __str__(self) -> str:
        runner = shown(self.runner_id)
        if self.silent_for is not None:
            return (
                f"runner {runner} is dead: its last sign of life was {self.silent_for:.0f} s ago; "
                "its jobs are taken over by the others"
            )
        return f"no runner {runner} is up; {nearest(self.runner_id, self.known)} (see: sp00ky runners list)"


@attrs.define(kw_only=True, eq=False)
class ConfigError(UsageError):
    """A configuration file that can't be used: which file, which key, and what to do.

    Attributes:
        file: The file.
        key: Dotted, as in ``backends.api.timeout``; empty where the whole file is meant.
        problem: What is wrong, in words.
        fix: What to do, where the problem doesn't say it.
    """

    file: str
    key: str = ""
    problem: str
    fix: str = ""

    def __str__(self) -> str:
        text = ": ".join(part for part in (self.file, self.key, self.problem) if part)
        return f"{text}; {self.fix}" if self.fix else text


class ContractError(ConfigError):
    """A backend's OpenAPI document that is missing, unreadable, or no OpenAPI 3 document."""


@attrs.define(kw_only=True, eq=False)
class PluginLoadError(UsageError):
    """A plugin that can't be loaded; names the distribution that brought it.

    Attributes:
        distribution: The distribution that brought the plugin.
        problem: What is wrong, in words.
    """

    distribution: str
    problem: str

    _text = "plugin of {0.distribution}: {0.problem}; fix it or uninstall {0.distribution}"


@attrs.define(kw_only=True, eq=False)
class PluginsCollide(PluginLoadError):
    """Two distributions register the same name.

    Attributes:
        other: The distribution that was loaded first.
    """

    other: str

    _text = "{0.other} and {0.distribution} both register {0.problem}: uninstall one of them"


@attrs.define(kw_only=True, eq=False)
class AdapterMissing(UsageError):
    """No installed distribution provides what was asked for.

    Attributes:
        kind: ``store`` or ``transport``.
        name: The scheme that was asked for.
        distribution: The one to install; empty where none of this project provides it.
        known: The names that are installed.
        wanted_by: The backend and the key that name it; empty where that is said elsewhere.
    """

    kind: str
    name: str
    distribution: str
    known: tuple[str, ...] = ()
    wanted_by: str = ""

    def __str__(self) -> str:
        if self.distribution:
            fix = install_hint(self.distribution)
        else:
            fix = f"no known distribution has one; {nearest(self.name, self.known)}"
            fix += "; fix `store` in sp00ky.yml, SP00KY_STORE or --store" if self.kind == "store" else ""
        wanted = f", which {self.wanted_by} wants" if self.wanted_by else ""
        return f"no {self.kind} is installed for {self.name!r}{wanted}: {fix}"


@attrs.define(kw_only=True, eq=False)
class MetricsMissing(UsageError):
    """The library that writes metrics isn't installed."""

    _text = f"metrics aren't installed: {install_hint('sp00ky-core[metrics]')}"


@attrs.define(kw_only=True, eq=False)
class ModuleOutdated(Sp00kyError):
    """A generated module that is older than a document that it was made of.

    Attributes:
        module: The module's file.
        document: The document's file.
    """

    module: str
    document: str

    _text = "{0.module} is older than {0.document}; run `sp00ky generate --out {0.module}`"


@attrs.define(kw_only=True, eq=False)
class UnknownBackend(UsageError):
    """No backend of that name is configured, or it is left out.

    Attributes:
        backend: The name that was asked for.
        known: The backends of the configuration.
        reason: Why it is left out.
    """

    backend: str
    known: tuple[str, ...]
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"backend {self.backend!r} is left out: {self.reason}"
        return f"no backend {self.backend!r} in the configuration; {nearest(self.backend, self.known)}"


@attrs.define(kw_only=True, eq=False)
class UnknownRoute(UsageError):
    """The path isn't a key of ``paths`` in the backend's OpenAPI document, or can't be called.

    Attributes:
        backend: its name.
        path: the one that was asked for.
        known: those that can be called.
        reason: why it can't be called; empty where the document doesn't have it.
    """

    backend: str
    path: str
    known: tuple[str, ...]
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"backend {self.backend!r} can't be called at {self.path!r}: {self.reason}"
        return f"backend {self.backend!r} has no route {self.path!r}; {nearest(self.path, self.known)}"


@attrs.define(kw_only=True, eq=False)
class UnknownStrategy(UsageError):
    """No retry strategy of that name is built in or registered by a plugin.

    Attributes:
        strategy: The name that was asked for.
        known: The names that are known.
    """

    strategy: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return f"no retry strategy {self.strategy!r}; {nearest(self.strategy, self.known)}"


if not TYPE_CHECKING:
    __getattr__ = former_names(__name__)
