"""Lay over a backend what operators have set of it at run time, as far as that may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from sp00ky_core.backend.backend import Backend
from sp00ky_core.config import BackendConfig, BackendSettings, RateConfig
from sp00ky_core.config.keys import KeyProblem, SectionReader, camel
from sp00ky_core.ports import SettingsRecord
from sp00ky_openapi.yaml_text import YamlProblem, parse_yaml

__all__ = ["SETTABLE", "settings_texts", "value_of", "value_text"]

SETTABLE = tuple(map(camel, attrs.fields_dict(BackendSettings)))
"""The file's keys that can be set."""

OF_TABLES = ("rate", "max_in_flight", "timeout")
"""Settings by which a store leases rows, and limits claims."""


def read_settings(backend: Backend, record: SettingsRecord) -> tuple[BackendSettings, Mapping[str, str]]:
    """Read what is set of a backend, by the file's keys; also what can't be, with the reason, by key."""
    known: dict[str, Any] = {}
    problems = dict(record.ignored)
    for key, value in record.values.items():
        try:
            settings = SectionReader(None).read({key: value}, BackendSettings, "", "settings")
        except KeyProblem as error:
            problems[key] = error.problem
            continue
        if problem := _problem(backend, settings):
            problems[key] = problem
        else:
            known |= values_of(settings)
    return BackendSettings(**known), problems


def _problem(backend: Backend, settings: BackendSettings) -> str:
    """Say why a backend can't be set so; empty: it can."""
    config = backend.config
    if backend.sharing or backend.name != backend.table.backend:
        return f"the table {config.table!r} is shared; give the backend a table of its own"
    most = backend.table.longest_lease - backend.table.lease_margin  # every runner believes its lease
    if settings.timeout is not None and settings.timeout > most:
        return f"expected at most {most:g} s at run time, not {settings.timeout:g}; else change the file"
    return "" if settings.base_url is None else _url_problem(config, settings.base_url)


def _url_problem(config: BackendConfig, url: str) -> str:
    if config.base_url.lower().startswith("asgi:"):
        return "an application in this process can't be replaced at run time"
    allowed = (config.base_url, *config.base_urls)
    if url in allowed:
        return ""
    return f"expected one of the file's `baseUrls` ({', '.join(allowed)}), not {url!r:.80}"


def values_of(settings: BackendSettings) -> dict[str, Any]:
    """Return what is set, by the field's name."""
    values = attrs.asdict(settings, recurse=False)
    return {name: value for name, value in values.items() if value is not None}


def settings_to_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write values, by their field's names, as JSON by the file's keys."""
    return {
        camel(name): attrs.asdict(value) if attrs.has(type(value)) else value
        for name, value in values.items()
    }


def settings_texts(backend: Backend, record: SettingsRecord) -> list[str]:
    """Say what is set of a backend, each beside what the file says, and what of it is ignored."""
    settings, ignored = read_settings(backend, record)
    texts = [
        f"{camel(name)} {value_text(value)} (file: {value_text(getattr(backend.config, name))})"
        for name, value in values_of(settings).items()
    ]
    return texts + [f"{key} is ignored: {problem}" for key, problem in ignored.items()]


def value_of(written: str) -> Any:
    """Read a setting's value as YAML has it: a number, a mapping, or else the text itself."""
    try:
        return parse_yaml(written)
    except YamlProblem:
        return written


def value_text(value: object) -> str:
    """Write a setting's value."""
    if isinstance(value, RateConfig):
        return f"{value.limit} per {value.per:g} s, {value.burst} at once"
    return "none" if value is None else f"{value:g} s" if isinstance(value, float) else str(value)


def adjusted(backend: Backend, settings: BackendSettings) -> Backend:
    """Return a backend as it is with these settings."""
    values = values_of(settings)
    of_table = {name: value for name, value in values.items() if name in OF_TABLES}
    return attrs.evolve(
        backend,
        config=attrs.evolve(backend.config, **values),
        table=attrs.evolve(backend.table, **of_table),
    )
