"""``settings.SP00KY``: each mistake is one line that names the key."""

from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from tests.django.configuration import PROJECT

from sp00ky_core import ConfigError
from sp00ky_django.app_settings import app_settings


def test_all_of_it_may_be_left_out() -> None:
    with override_settings(SP00KY={}):
        found = app_settings()
    assert (found.config, found.database, found.options) == (PROJECT / "sp00ky.yml", "default", {})


def test_values_are_read(tmp_path: Path) -> None:
    file = tmp_path / "other.yml"
    file.touch()
    with override_settings(SP00KY={"CONFIG": file, "DATABASE": "lite", "OPTIONS": {"connections": 2}}):
        found = app_settings()
    assert (found.config, found.database, found.options) == (file, "lite", {"connections": "2"})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("sp00ky.yml", "SP00KY: expected a dict"),
        ({"CONFIGURATION": "x"}, "there is no such key; did you mean 'CONFIG'?"),
        ({"CONFIG": 1}, "SP00KY['CONFIG']: expected a str or a Path, not a int"),
        ({"CONFIG": "none.yml"}, "none.yml; name your sp00ky.yml"),
        ({"DATABASE": "light"}, "no database 'light'; did you mean 'lite'?"),
        ({"OPTIONS": "schema=x"}, "SP00KY['OPTIONS']: expected a dict"),
    ],
)
def test_what_is_wrong_is_named(given: Any, said: str) -> None:
    with override_settings(SP00KY=given), pytest.raises(ConfigError) as raised:
        app_settings()
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_without_a_file_it_says_how_to_get_one(tmp_path: Path) -> None:
    with override_settings(SP00KY={}, BASE_DIR=tmp_path), pytest.raises(ConfigError, match="sp00ky init"):
        app_settings()
