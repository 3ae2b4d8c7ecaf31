"""How the command line says what went wrong: one line, the right code, no secrets."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core import Outbox

TOKEN = "tok3n-that-nobody-may-see"  # the conftest's, which every in-process command is searched for
PASSWORD = "passw0rd-that-nobody-may-see"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("retry:", "rety:", "retry"),
        ("./openapi.json", "${NO_SUCH_VARIABLE}", "NO_SUCH_VARIABLE"),
        ("./openapi.json", "./nowhere.json", "nowhere.json"),
        ("baseUrl: http", "baseUrl: 1tp", "baseUrl"),
        ("backends:", "backends: [", "sp00ky.yml"),
        ("store: surrealkv:", "store: sqlite:", "sqlite"),
    ],
)
def test_a_configuration_that_cannot_be_used(
    project: Path, sp00ky: Any, old: str, new: str, said: str
) -> None:
    file = project / "sp00ky.yml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    for debug in ([], ["--debug"]):
        shown = sp00ky("jobs", "list", *debug)
        assert (shown.code, shown.out) == (2, "")
        assert said in shown.err.splitlines()[-1]
        assert ("Traceback" in shown.err) == bool(debug)


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["jobs", "nonsense"], ["jobs", "list", "--limit", "0"], ["run", "--no"]]
)
def test_usage_errors_are_one_line_with_code_2(project: Path, sp00ky: Any, arguments: list[str]) -> None:
    assert "--help" in sp00ky(*arguments).complaint(2)


def raises(error: Exception) -> Callable[..., Any]:
    def raise_it(*_: Any, **__: Any) -> Any:
        logging.getLogger("sp00ky_core").warning("before:\nit raises %s", error)
        raise error

    return raise_it


def test_a_bug_is_called_one_and_holds_no_secret(
    migrated: Path, sp00ky: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outbox, "pages", raises(RuntimeError(f"GET ws://u:{PASSWORD}@host\n{TOKEN}")))
    store = ["--store", f"memory://u:{PASSWORD}@host?token=another-t0ken"]
    shown = sp00ky("jobs", "list", *store)
    *logged, line = shown.err.splitlines()
    assert shown.code == 1
    assert "this is a bug: RuntimeError" in line
    assert "--debug" in line
    assert len(logged) == 1  # the record's two lines are one
    assert PASSWORD not in shown.err
    debugged = sp00ky("jobs", "list", *store, "--debug")
    assert "Traceback" in debugged.err
    assert PASSWORD not in debugged.err
