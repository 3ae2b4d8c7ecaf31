"""Values of keys: what YAML gave becomes a value, or a text that says what to write."""

import math
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.config import values as read
from sp00ky_core.config.values import FromVariable, VariableProblem, VariableUnset, expanded, from_vault
from sp00ky_core.errors import ConfigError


@pytest.mark.parametrize(
    ("reader", "given", "says"),
    [
        (read.text, 1, "1"),
        (read.boolean, "yes", "yes"),
        (read.whole(1, 10), 11, "10"),
        (read.whole(1), True, "true"),
        (read.number(0, above=True), 0, "0"),
        (read.number(0), math.nan, "number"),
        (read.seconds(0, 86_400, above=True), "2d", "a duration over 0 and at most 86400 seconds"),
        (read.seconds(0), "never", "a duration of at least 0 seconds"),
        (read.duration, "soon", "a duration such as"),
        (read.duration, -1, "a duration such as"),
        (read.duration_of_time, 0, "such as 30m or 24h"),
        (read.table_name, "a-b", "letters, digits"),
        (read.table_name, "SP00KY_runner", "the runner's own tables"),
        (read.endpoint_url, "ftp://host", "ws://"),
        (read.endpoint_url, "http://user:s3cret@host", "must not hold a user"),
        (read.endpoint_url, "http://host?s3cret", "no query and no fragment"),
        (read.endpoint_url, "http://host:0", "host"),
        (read.endpoint_url, "ws://host/other", "without a path"),
        *((read.backend_url, url, "http:// or https://") for url in ("host", "a_b://host", "://host")),
        *(
            (read.store_location, f"{url}s3cret", "expected a store URL")
            for url in ("", "a_b://", "a://\x1b")
        ),
        (read.store_location, "ws://[s3cret", "its host is none"),
    ],
)
def test_what_is_refused_says_what_to_write(reader: read.Reader, given: Any, says: str) -> None:
    with pytest.raises(read.ReadProblem) as raised:
        reader(given)
    assert says in str(raised.value).lower() or says in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "found"), [(90, 90.0), ("1m30s", 90.0), ("1h 30m", 5_400.0), ("500ms", 0.5), (0, 0.0)]
)
def test_a_duration_is_spelled_alike_everywhere(given: Any, found: float) -> None:
    assert read.seconds(0)(given) == read.duration(given) == read.seconds_of(str(given)) == found


@pytest.mark.parametrize("url", ["http://host/v1", "https://host:8443", "amqp://host:5672/jobs"])
def test_a_backend_has_a_url_of_any_scheme(url: str) -> None:
    assert read.backend_url(url) == url


ENVIRON = {"A": "1", "B": "${A}", "EMPTY": "", "SP00KY_STORE": "memory://"}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("plain $A", "plain $A"),
        ("${A}", "1"),
        ("x${A}y${EMPTY}", "x1y"),
        ("${B}", "${A}"),
        ("$${A} ${A}", "${A} 1"),
        (["${A}", 2], ["1", 2]),
        (7, 7),
        ({"a": "${A}"}, {"a": "${A}"}),
    ],
)
def test_what_a_text_becomes(value: Any, found: Any) -> None:
    assert expanded(value, ENVIRON) == found


def test_one_variable_alone_may_stand_for_a_number() -> None:
    assert isinstance(expanded("${A}", ENVIRON), FromVariable)
    assert not isinstance(expanded("${A}0", ENVIRON), FromVariable)


@pytest.mark.parametrize(
    ("value", "is_unset", "says"),
    [
        ("${NOPE}", True, "the environment variable NOPE is not set"),
        ("${A", False, "write a variable as"),
        ("${1}", False, "write a variable as"),
        ({"vault": "NOPE"}, True, "NOPE is not set, which the vault's NOPE is read from"),
        ({"vault": "SP00KY_STORE"}, False, "sp00ky's own settings"),
        ({"vault": "A", "x": 1}, False, "expected text, or"),
        ({"vault": 1}, False, "expected text, or"),
    ],
)
def test_what_cannot_be_resolved(value: Any, is_unset: bool, says: str) -> None:
    with pytest.raises(VariableProblem, match=says) as raised:
        from_vault(value, ENVIRON)
    assert isinstance(raised.value, VariableUnset) is is_unset


def test_the_vault_is_the_environment() -> None:
    assert from_vault({"vault": "A"}, ENVIRON) == FromVariable("1")
    assert from_vault("${A}", ENVIRON) == "1"


def test_a_token_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("  one\n")
    assert read.read_token(file).value == "one"
    (tmp_path / "new").write_text("another")
    (tmp_path / "new").replace(file)
    assert read.read_token(file).value == "another"


@pytest.mark.parametrize("text", [None, "", "two words", "two\nlines", "é"])
def test_while_a_token_cannot_be_used_the_one_before_counts(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    assert read.read_token(file).value == "one"
    file.unlink()
    if text is not None:
        file.write_text(text)
    assert read.read_token(file).value == "one"


@pytest.mark.parametrize("text", ["", "  \n", "two words", "s3cret\x00", "x" * 70_000, None])
def test_what_never_was_a_token_is_refused_without_being_quoted(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "token"
    if text is not None:
        file.write_text(text)
    problem = "No such file or directory" if text is None else "no token can be read from it"
    with pytest.raises(ConfigError, match=f"{problem}.*; write the token into it") as raised:
        read.read_token(file)
    assert "s3cret" not in str(raised.value)
