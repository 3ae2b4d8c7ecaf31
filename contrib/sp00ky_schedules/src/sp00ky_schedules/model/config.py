"""Read ``schedules``: which jobs are made when; and write a definition as the mapping that it was."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs
from attrs import field

from sp00ky_core.config import values as read
from sp00ky_core.config.keys import Finding, KeyProblem, SectionReader, camel, key, keys_of, mapping_in
from sp00ky_core.config.model import FAILURES_ONLY, KEEP_ALL, HistoryConfig
from sp00ky_core.config.values import ReadProblem
from sp00ky_core.encoding.json_bytes import RefusedError, check_keys, encode, json_hash
from sp00ky_core.error_texts import near_miss
from sp00ky_core.errors import ConfigError
from sp00ky_core.job.retry import MAX_RETRIES
from sp00ky_schedules.errors import ScheduleInvalid
from sp00ky_schedules.model.cron import CronProblem, check_cron

__all__ = ["ForEachConfig", "ScheduleConfig", "ScheduleRetryConfig", "SchedulesConfig"]

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,99}")

MOST_RUNS = 1_000_000
"""That ``history`` may be, as a number."""

_IN_QUOTES = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)


_EVERY = read.seconds(10, 366 * 86_400, expected="at least 10s and at most 366d, such as 1h30m")
_TIMEOUT = read.seconds(0, 86_400, above=True, expected="over 0s and at most 1d, such as 120s or 2m")


def _cron(value: Any) -> str:
    expression = read.text(value)
    try:
        check_cron(expression)
    except CronProblem as error:
        raise ReadProblem(f"{expression!r:.80}: {error}") from None
    return expression


def _timezone(value: Any) -> str:
    zone = read.text(value)
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ReadProblem(f"no time zone is named {zone!r:.80}; write one such as Europe/Berlin") from None
    return zone


def _query(value: Any) -> str:
    query = read.text(value).strip().removesuffix(";")
    if ";" in _IN_QUOTES.sub("", query):
        raise ReadProblem("expected one query, without ; in it")
    return query


def _payload(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ReadProblem("expected a mapping: the payload is a JSON object")
    try:
        encode(value)
        check_keys(value)
    except (TypeError, ValueError) as error:
        raise ReadProblem(f"it can't be written as JSON: {error}") from None
    except RefusedError as error:
        raise ReadProblem(f"its key {error.steps[0]} isn't text; put it in quotes") from None
    return value


@attrs.frozen(kw_only=True)
class ForEachConfig:
    """``forEach:`` of a schedule: a job for each row of a query.

    Attributes:
        query: One query that only reads, in the database's language.
        key: The field that tells rows apart.
    """

    query: str = field(metadata=key(_query))
    key: str = field(default="id", metadata=key(read.text))


@attrs.frozen(kw_only=True)
class ScheduleRetryConfig:
    """``retry:`` of a schedule; what is left out is the backend's.

    Attributes:
        max: Attempts in all.
        strategy: How retries are spaced.
    """

    max: int | None = field(default=None, metadata=key(read.whole(1, 1 + MAX_RETRIES)))
    strategy: str | None = field(default=None, metadata=key(read.text))


def _history_shorthand(value: Any) -> HistoryConfig | int:
    """Read a mode, or how many runs are kept."""
    if value in (KEEP_ALL, FAILURES_ONLY):
        return HistoryConfig(mode=str(value))
    try:
        runs: int = read.whole(1, MOST_RUNS)(value)
    except ReadProblem:
        expected = "expected all, failures-only, a number of runs, or a mapping (mode, success, failed)"
        hint = near_miss(value, (KEEP_ALL, FAILURES_ONLY)) if isinstance(value, str) else ""
        raise ReadProblem(expected + hint) from None
    return runs


_HISTORY = key(HistoryConfig, shorthand=_history_shorthand)


@attrs.frozen(kw_only=True)
class ScheduleConfig:
    """A schedule's definition.

    Attributes:
        name: As in the file.
        cron: Five fields, or six with seconds before them, or ``@daily`` and the like; either this or every.
        every: Seconds from one fire to the next.
        timezone: Where ``cron`` is evaluated.
        backend: The backend that is called.
        route: The route, as its document has it.
        payload: What is the same in each job.
        for_each: A job for each row of a query; None: one job.
        concurrency: Where the job before, of the same key, hasn't ended: ``skip``, ``allow`` or ``replace``.
        retry: How its jobs are tried.
        timeout: Seconds for an attempt.
        deadline: Seconds after a fire when its jobs are killed; 0: never; None: as ``retention`` says.
        quarantine_after: Failures of a key in a row after which it is skipped; None: never.
        enabled: Whether it fires.
        history: What of its runs and jobs is kept, beside what ``retention`` says; a number: so many runs at
            most, which aren't older than that says.
    """

    name: str
    cron: str | None = field(default=None, metadata=key(_cron))
    every: float | None = field(default=None, metadata=key(_EVERY))
    timezone: str = field(default="UTC", metadata=key(_timezone))
    backend: str = field(metadata=key(read.text))
    route: str = field(metadata=key(read.text))
    payload: Mapping[str, Any] = field(factory=dict, metadata=key(_payload))
    for_each: ForEachConfig | None = field(default=None, metadata=key(ForEachConfig))
    concurrency: str = field(default="skip", metadata=key(read.one_of("skip", "allow", "replace")))
    retry: ScheduleRetryConfig = field(default=ScheduleRetryConfig(), metadata=key(ScheduleRetryConfig))
    timeout: float | None = field(default=None, metadata=key(_TIMEOUT))
    deadline: float | None = field(default=None, metadata=key(read.deadline))
    quarantine_after: int | None = field(default=None, metadata=key(read.whole(1, 1_000)))
    enabled: bool = field(default=True, metadata=key(read.boolean))
    history: HistoryConfig | int | None = field(default=None, metadata=_HISTORY)

    def to_json(self) -> dict[str, Any]:
        """Return the keys that aren't at their default: ``ScheduleConfig`` is read from them again."""
        return _written(self)

    @property
    def hash(self) -> str:
        """A hash that two definitions share if they say the same."""
        return json_hash(self.to_json())

    @property
    def query_hash(self) -> str | None:
        """A hash of ``forEach.query``."""
        return None if self.for_each is None else sha256(self.for_each.query.encode()).hexdigest()


def _written(section: Any) -> dict[str, Any]:
    keys, written = keys_of(type(section)), dict[str, Any]()
    for attribute in attrs.fields(type(section)):
        value = getattr(section, attribute.name)
        if attribute.name in keys and value not in ({}, attribute.default):
            plain = "never" if value == math.inf else value
            written[keys[attribute.name].places[0]] = _written(value) if attrs.has(type(value)) else plain
    return written


@attrs.frozen(kw_only=True)
class SchedulesConfig:
    """``schedules:`` of sp00ky.yml.

    Attributes:
        schedules: What is made into jobs by the clock, by name.
        left_out: Schedules whose definition can't be read, by name, with the reason.
    """

    schedules: Mapping[str, ScheduleConfig] = field(factory=dict)
    left_out: Mapping[str, str] = field(factory=dict)

    @classmethod
    def read_section(cls, raw: Any, folder: Path, reader: SectionReader) -> Self:
        """Read it: a mapping, or a file that holds it; each of its entries likewise.

        A definition that can't be read is left out, and ``check`` says so.

        Raises:
            KeyProblem: It is no mapping in sp00ky.yml itself.
            ConfigError: The file can't be read, or holds no mapping.
        """
        schedules, left_out = _loaded(raw, folder, reader)
        reader.notices += (
            Finding.stopping(
                f"schedule {name}",
                f"left out: {reason}",
                "it isn't defined here; one of that name in the database stays as it is",
                "fix its definition",
            )
            for name, reason in left_out.items()
        )
        return cls(schedules=schedules, left_out=left_out)


Loaded = tuple[dict[str, ScheduleConfig], dict[str, str]]
"""Schedules by name, and those that are left out, by name, with the reason."""


def _loaded(raw: Any, folder: Path, reader: SectionReader) -> Loaded:
    if isinstance(raw, str):
        file = folder / raw
        with _problems_in(file):
            held = mapping_in(file, ": schedules")
            inner = held.get("schedules") if held.keys() == {"schedules"} else None
            return _entries(held if inner is None else inner, "", file.parent, reader)
    return _entries(raw, "schedules", folder, reader)


def written_in_python(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition as a file has it: keys that Python spells otherwise, durations in seconds."""
    return {camel(name): _plain(value) for name, value in definition.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return dict(value) if isinstance(value, Mapping) else value


def parse_schedule(name: str, definition: Mapping[str, Any]) -> ScheduleConfig:
    """Read a definition that isn't in a file: keys as there, variables aren't expanded.

    Raises:
        ScheduleInvalid: which key, and what to write.
    """
    try:
        return _entry(name, dict(definition), "", Path(), SectionReader(None))
    except KeyProblem as error:
        raise ScheduleInvalid(schedule=str(name)[:100], key=error.key, problem=error.problem) from None


def _entries(raw: Any, at: str, folder: Path, reader: SectionReader) -> Loaded:
    if not isinstance(raw, dict):
        raise KeyProblem(at, "expected a mapping from a name to a schedule, or a file that holds it")
    schedules, left_out = dict[str, ScheduleConfig](), dict[str, str]()
    for name, value in raw.items():
        where = f"{at}.{name!s:.100}".strip(".")
        try:
            schedules[name] = _entry(name, value, where, folder, reader)
        except KeyProblem as error:
            left_out[str(name)[:100]] = f"{error.key}: {error.problem}"
        except ConfigError as error:
            left_out[name] = str(error)
    return schedules, left_out


def _entry(name: Any, raw: Any, at: str, folder: Path, reader: SectionReader) -> ScheduleConfig:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        problem = "a schedule's name has lower-case letters, digits, - and _, and begins with a letter"
        raise KeyProblem(at, problem)
    if isinstance(raw, str):
        file = folder / raw
        with _problems_in(file):
            return _definition(name, mapping_in(file, ": a schedule"), "", reader)
    return _definition(name, raw, at, reader)


def _definition(name: str, raw: Any, at: str, reader: SectionReader) -> ScheduleConfig:
    schedule = reader.read(raw, ScheduleConfig, at, "schedule", name=name)
    if (schedule.cron is None) == (schedule.every is None):
        which = "neither `cron` nor `every`" if schedule.cron is None else "both `cron` and `every`"
        raise KeyProblem(at, f"it has {which}; write one of them")
    return schedule


@contextmanager
def _problems_in(file: Path) -> Iterator[None]:
    try:
        yield
    except KeyProblem as error:
        raise ConfigError(file=str(file), key=error.key, problem=error.problem) from None
