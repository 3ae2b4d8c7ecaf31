"""``sp00ky init``: what it writes works as it is, and nothing is overwritten."""

from pathlib import Path
from typing import Any

import pytest


def test_what_init_writes_works_as_it_is(folder: Path, sp00ky: Any) -> None:
    written = sp00ky("init")
    assert written.code == 0
    assert "sp00ky migrate && sp00ky check" in written.out
    assert sp00ky("migrate").code == 0
    checked = sp00ky("check", "--json")
    assert (checked.code, checked.json) == (0, {"findings": []})
    assert sp00ky("check").out == "ok: nothing to fix\n"
    assert sp00ky("call", "api", "/spookify", '{"id": "1"}').code == 0


@pytest.mark.parametrize("file", ["sp00ky.yml", "openapi.yml"])
def test_init_overwrites_nothing(folder: Path, sp00ky: Any, file: str) -> None:
    (folder / file).write_text("mine")
    assert file in sp00ky("init").complaint(1)
    assert [path.name for path in folder.iterdir()] == [file]
    assert (folder / file).read_text() == "mine"
