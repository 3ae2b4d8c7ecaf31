"""A token is read from its file again when the file changes, and kept while it can't be."""

from pathlib import Path

import pytest

from sp00ky_core.config.model import read_token
from sp00ky_core.errors import ConfigError


def test_it_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("  one\n")
    assert read_token(file).value == "one"
    (tmp_path / "new").write_text("another")
    (tmp_path / "new").replace(file)
    assert read_token(file).value == "another"


@pytest.mark.parametrize("text", [None, "", "two words", "two\nlines", "é"])
def test_while_it_cannot_be_used_the_one_before_counts(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    assert read_token(file).value == "one"
    file.unlink()
    if text is not None:
        file.write_text(text)
    assert read_token(file).value == "one"


@pytest.mark.parametrize("text", ["", "  \n", "two words", "s3cret\x00", "x" * 70_000])
def test_what_never_was_a_token_is_refused_without_being_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(ConfigError, match="no token can be read from it") as raised:
        read_token(file)
    assert "s3cret" not in str(raised.value)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory; write the token into it"):
        read_token(tmp_path / "none")
