from pathlib import Path

from tests.core.cli.conftest import Cli, misbehaving, project, sp00ky

__all__ = ["misbehaving", "project", "sp00ky"]  # fixtures

MODULE = "typed_outbox.py"


def test_a_module_is_written_and_checked(sp00ky: Cli, project: Path) -> None:
    assert sp00ky("generate").out == f"wrote {MODULE}\n"
    text = (project / MODULE).read_bytes()
    assert sp00ky("generate", "--check").out == f"{MODULE} is up to date\n"
    assert sp00ky("generate", "--out", "other.py").code == 0
    assert (project / "other.py").read_bytes() == text


def test_no_store_is_needed(sp00ky: Cli, project: Path) -> None:
    config = project / "sp00ky.yml"
    text = config.read_text()
    for store in ("store: uninstalled://host/x", "store: ${UNSET}", ""):
        config.write_text(text.replace(text.splitlines()[0], store))
        assert sp00ky("generate").out == f"wrote {MODULE}\n"
        assert sp00ky("generate", "--check").out == f"{MODULE} is up to date\n"


def test_an_older_module_is_one_line(sp00ky: Cli, project: Path) -> None:
    sp00ky("generate")
    text = (project / MODULE).read_text()
    document = project / "openapi.json"
    document.write_text(document.read_text() + " ")
    assert (
        sp00ky("generate", "--check").complaint(1)
        == f"sp00ky: {MODULE} is older than {document}; run `sp00ky generate --out {MODULE}`"
    )
    assert (project / MODULE).read_text() == text


def test_a_file_of_another_hand_is_left_alone(sp00ky: Cli, project: Path) -> None:
    (project / MODULE).write_text("print('mine')\n")
    assert "wasn't written by `sp00ky generate`" in sp00ky("generate").complaint(1)
    assert (project / MODULE).read_text() == "print('mine')\n"
