"""Raise what is wrong with a job: its payload, its options, its status, its id."""

from __future__ import annotations

import attrs

from sp00ky_core.errors.base import Sp00kyError

__all__ = [
    "Violation",
    "PayloadError",
    "PayloadInvalid",
    "PayloadNotJson",
    "PayloadTooLarge",
    "OptionInvalid",
    "IllegalTransition",
    "JobNotFound",
    "JobIdAmbiguous",
    "BackendPaused",
]

_LONGEST_POINTER = 300  # characters shown; a payload's keys may be of any length


@attrs.frozen(kw_only=True)
class Violation:
    """One way in which a payload breaks its route's contract.

    Attributes:
        pointer: JSON Pointer (RFC 6901) into the payload; empty for the payload itself.
        message: What is wrong there, in words.
    """

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '(payload)'}: {self.message}"


class PayloadError(Sp00kyError):
    """The base of what can be wrong with a payload; nothing was written.

    Attributes:
        violations: What is wrong, each with its JSON pointer; at least one.
        pointer: JSON Pointer (RFC 6901) of the first of them; empty for the payload itself.
    """

    exit_code = 2

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

    def __str__(self) -> str:
        return (
            f"the payload is {self.size} bytes of JSON, over the limit of {self.limit}: "
            "store the data elsewhere and send a reference, or raise maxPayloadBytes"
        )


@attrs.define(kw_only=True, eq=False)
class OptionInvalid(Sp00kyError, ValueError):
    """An option of a job or of a retry policy that is out of its range.

    Attributes:
        option: Its name.
        value: The offending value, by ``shown``.
        expected: What it may be, in words.
    """

    exit_code = 2
    option: str
    value: str
    expected: str

    def __str__(self) -> str:
        return f"{self.option} is {self.value}; expected {self.expected}"


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
class JobNotFound(Sp00kyError):
    """No job of that id is in the store.

    Attributes:
        job_id: The id that was asked for.
    """

    job_id: str

    def __str__(self) -> str:
        return f"no job {self.job_id!r} (an id reads <table>:<key>; see: sp00ky jobs list)"


@attrs.define(kw_only=True, eq=False)
class JobIdAmbiguous(Sp00kyError):
    """Several jobs have an id that begins so.

    Attributes:
        job_id: What was given, to be completed.
        candidates: Two of them.
    """

    job_id: str
    candidates: tuple[str, ...]

    def __str__(self) -> str:
        some = " and ".join(self.candidates)
        return f"several jobs' ids begin with {self.job_id!r}, {some} for two: give more of it"


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
