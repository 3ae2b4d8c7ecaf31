"""docs/configuration.md, stores.md and from-sp00ky.md say what the code does: keys, defaults."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_core import load_config
from sp00ky_core.config import (
    BackendConfig,
    BreakerConfig,
    Config,
    RateConfig,
    RetentionConfig,
    RetryConfig,
    SurrealdbConfig,
    TlsConfig,
    TopRetentionConfig,
)
from sp00ky_core.config.keys import TYPES, keys_of, written_keys
from sp00ky_core.job.retry import RetryPolicy, next_delay
from sp00ky_core.plugins.registry import DISTRIBUTIONS
from sp00ky_store_postgres.url import READERS

ROOT = Path(__file__).parents[2]
STORES = (ROOT / "docs" / "stores.md").read_text()
TEXT = (ROOT / "docs" / "configuration.md").read_text() + STORES
WHOLE, APP = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)

SECTIONS: Mapping[str, type] = {
    "": Config,
    "backend": BackendConfig,
    "backend.tls": TlsConfig,
    "backend.retry": RetryConfig,
    "backend.breaker": BreakerConfig,
    "backend.rate": RateConfig,
    "backend.retention": RetentionConfig,
    "retention": TopRetentionConfig,
    "surrealdb": SurrealdbConfig,
}
HEADINGS: Mapping[str, str] = {
    "": "## The whole file",
    "backend": "## A backend",
    "backend.method": "### method",
    "backend.runOn": "### runOn",
    "backend.auth": "### auth",
    "backend.tls": "### tls",
    "backend.deploy": "### deploy",
    "backend.retry": "### retry",
    "backend.breaker": "### breaker",
    "backend.rate": "### rate",
    "backend.retention": "### retention",
    "retention": "### retention of the whole file",
    "surrealdb": "## surrealdb",
}


def rows_under(heading: str) -> dict[str, list[str]]:
    """The table that follows a heading: its first cell, without backticks, to the others."""
    section = re.split(r"\n#+ ", TEXT.partition(f"\n{heading}\n")[2])[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells}


def mappings() -> dict[str, tuple[str, ...]]:
    """Each mapping that the file may hold, and its keys."""
    return {
        f"{kind}.{within}".strip("."): keys
        for kind, section in SECTIONS.items()
        for within, keys in written_keys(section, kind).items()
    }


def test_every_section_is_described() -> None:
    assert HEADINGS.keys() == mappings().keys()
    read = {key.read for section in SECTIONS.values() for key in keys_of(section).values()}
    assert {kind for kind in read if attrs.has(kind)} <= set(SECTIONS.values())


@pytest.mark.parametrize(("mapping", "keys"), mappings().items())
def test_every_key_is_described_and_no_other(mapping: str, keys: tuple[str, ...]) -> None:
    assert rows_under(HEADINGS[mapping]).keys() == set(keys)


def plain_defaults() -> list[tuple[str, str, Any]]:
    """Mapping, key and default, where the default is a number, a word, or must be given."""
    required = attrs.NOTHING
    found: list[tuple[str, str, Any]] = [("backend", "method", required), ("backend.auth", "type", "token")]
    found += [(f"backend.{within}", "type", word) for within, word in TYPES.items()]
    for kind, section in SECTIONS.items():
        for field in attrs.fields(section):
            if field.name in keys_of(section) and (
                field.default is required or isinstance(field.default, int | float | str)
            ):
                within, _, name = keys_of(section)[field.name].places[0].rpartition(".")
                found.append((f"{kind}.{within}".strip("."), name, field.default))
    return found


@pytest.mark.parametrize(("mapping", "key", "default"), plain_defaults())
def test_every_default_is_the_one_that_counts(mapping: str, key: str, default: Any) -> None:
    said = rows_under(HEADINGS[mapping])[key][0].strip("`")
    expected = "required" if default is attrs.NOTHING else default
    assert said == (f"{expected:g}" if isinstance(expected, float) else str(expected).lower())


def load(folder: Path, text: str) -> Any:
    file = folder / "sp00ky.yml"
    file.write_text(text)
    return load_config(file, environ={"API_TOKEN": "secret", "WEBHOOK_SECRET": "whsec_" + "00" * 16})


def test_the_example_has_every_key_and_the_defaults(tmp_path: Path) -> None:
    shown = load(tmp_path, WHOLE).backends["api"]
    bare = "backends: {api: {spec: ./openapi.yml, baseUrl: 'http://127.0.0.1:3660', method: {table: job}}}"
    least = load(tmp_path, bare).backends["api"]
    chosen = {"schema", "token", "give_up_on", "retention", "ref_roots", "tls", "proxy"}
    chosen |= {"rate", "max_in_flight", "signing_secrets"}
    both = [
        attrs.asdict(config, filter=lambda field, _: field.name not in chosen) for config in (shown, least)
    ]
    assert both[0] == both[1]
    assert all(getattr(shown, name) != getattr(least, name) for name in chosen)


def test_every_store_and_option_of_its_url_is_named() -> None:
    section = STORES.partition("\n## surrealdb")[0]
    stores = {
        scheme
        for scheme in DISTRIBUTIONS
        if not scheme.startswith(("http", "amqp", "asgi", "python", "webhook", "postgres"))
    } | {"postgresql"}
    assert stores <= set(re.findall(r"`(\w+)://", section))
    assert READERS.keys() <= set(re.findall(r"`(\w+)=", section))


def test_the_file_that_keeps_a_projects_numbers_does(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "from-sp00ky.md").read_text()
    [kept] = re.findall(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    api = load(tmp_path, kept).backends["api"]
    assert api.concurrency == 1
    assert (api.retention.success, api.retention.failed) == (6 * 3_600, 14 * 86_400)
    policy = RetryPolicy(strategy=api.retry.strategy, base=api.retry.base, jitter=api.retry.jitter)
    # Theirs counts from 0: 200 ms * (n + 1).
    assert [next_delay(policy, n) for n in (1, 2, 3)] == [0.2, 0.4, 0.2 * 3]
