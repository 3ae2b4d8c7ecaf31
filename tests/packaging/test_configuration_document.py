"""docs/configuration.md says what the code does: every key, its default, what is retried."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_core import ConfigError, Undelivered, load_config, outcome
from sp00ky_core.config import BreakerConfig, RetentionConfig, RetryConfig, SurrealdbConfig
from sp00ky_core.config.loading import _OURS
from sp00ky_core.config.written import (
    SECTIONS,
    WrittenAuth,
    WrittenBackend,
    WrittenDeploy,
    WrittenMethod,
)
from sp00ky_core.plugins import DISTRIBUTIONS
from sp00ky_core.retry import STRATEGIES, RetryPolicy
from sp00ky_store_postgres.options import READERS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "configuration.md").read_text()
WHOLE, GIVE_UP_ON = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)

HEADINGS: Mapping[type, str] = {
    WrittenBackend: "## A backend",
    WrittenMethod: "### method",
    WrittenAuth: "### auth",
    WrittenDeploy: "### deploy",
    RetryConfig: "### retry",
    BreakerConfig: "### breaker",
    RetentionConfig: "### retention",
    SurrealdbConfig: "### surrealdb",
}


def rows_under(heading: str) -> dict[str, list[str]]:
    """The table that follows a heading: its first cell, without backticks, to the others."""
    section = re.split(r"\n#+ ", TEXT.partition(f"\n{heading}\n")[2])[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells}


def test_every_section_is_described() -> None:
    assert HEADINGS.keys() == SECTIONS.keys()
    assert rows_under("## The whole file").keys() == set(_OURS)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_key_is_described_and_no_other(section: type) -> None:
    assert rows_under(HEADINGS[section]).keys() == {key.name for key in SECTIONS[section].values()}


def plain_defaults() -> list[tuple[type, str, Any]]:
    """Section, key and default, where the default is a number, a word, or must be given."""
    required = attrs.NOTHING
    return [
        (section, SECTIONS[section][field.name].name, field.default)
        for section in SECTIONS
        for field in attrs.fields(section)  # type: ignore[arg-type]  # each is an attrs class
        if field.default is required or isinstance(field.default, int | float | str)
    ]


@pytest.mark.parametrize(("section", "key", "default"), plain_defaults())
def test_every_default_is_the_one_that_counts(section: type, key: str, default: Any) -> None:
    said = rows_under(HEADINGS[section])[key][0].strip("`")
    expected = "required" if default is attrs.NOTHING else default
    assert said == (f"{expected:g}" if isinstance(expected, float) else str(expected))


def load(folder: Path, text: str) -> Any:
    file = folder / "sp00ky.yml"
    file.write_text(text)
    return load_config(file, environ={"API_TOKEN": "secret"})


def test_the_example_has_every_key_and_the_defaults(tmp_path: Path) -> None:
    shown = load(tmp_path, WHOLE).backends["api"]
    bare = "backends: {api: {spec: ./openapi.yml, baseUrl: 'http://127.0.0.1:3660', method: {table: job}}}"
    least = load(tmp_path, bare).backends["api"]
    chosen = {"schema", "token", "give_up_on", "retention"}
    both = [attrs.asdict(each, filter=lambda field, _: field.name not in chosen) for each in (shown, least)]
    assert both[0] == both[1]
    assert all(getattr(shown, name) != getattr(least, name) for name in chosen)


def test_the_timeout_of_an_attempt_is_the_one_that_is_said(tmp_path: Path) -> None:
    backend = load(tmp_path, WHOLE.replace("timeout: 10", "deploy: {timeout: 7}")).backends["api"]
    assert backend.timeout == 7


def test_what_is_retried_is_what_is_said() -> None:
    rows = [line for line in TEXT.partition("## What is retried")[2].splitlines() if line.startswith("|")]
    said = {
        name: "never" in row.rpartition(" | ")[2]
        for row in rows
        for name in re.findall(r"`(\w+)`", row.partition(" | ")[0])
    }
    names = {value for name, value in vars(outcome).items() if name.isupper() and isinstance(value, str)}
    # A status is said in words, and a kill is no attempt's.
    assert names - {"http_status", "killed"} <= said.keys()
    for name in names & said.keys():
        assert said[name] is not Undelivered(name=name).is_retryable, name
    assert Undelivered(name="http_status", code=302).is_retryable
    assert "302, 400, 404 and\n422" in TEXT


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_waits_are_those_of_the_defaults(strategy: str) -> None:
    row = next(line for line in TEXT.splitlines() if line.startswith(f"| `{strategy}` |"))
    _, formula, waits = (cell.strip(" `") for cell in row.strip("|").split("|"))
    policy = RetryPolicy()
    for n, wait in enumerate(waits.split(", ")[:-1], 1):
        assert float(wait) == STRATEGIES[strategy](policy, n)
        assert float(wait) == eval(formula, {"base": policy.base, "factor": policy.factor, "n": n})  # noqa: S307  # our own document


def test_every_store_and_option_of_its_url_is_named() -> None:
    section = TEXT.partition("## Where the jobs are")[2].partition("### surrealdb")[0]
    stores = {scheme for scheme in DISTRIBUTIONS if not scheme.startswith(("http", "postgres"))} | {
        "postgresql"
    }
    assert stores <= set(re.findall(r"`(\w+)://", section))
    assert READERS.keys() <= set(re.findall(r"`(\w+)=", section))


def test_the_near_miss_reads_as_it_is_shown(tmp_path: Path) -> None:
    (shown,) = re.findall(r"^    sp00ky: /srv/app/(.*)$", TEXT, re.MULTILINE)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, WHOLE.replace("timeout: 10", "timeuot: 10"))
    assert str(caught.value) == f"{tmp_path}/{shown}"
