"""The command line starts quickly because nothing is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sp00ky_core


def loaded_by(program: str) -> set[str]:
    """The modules that are there after a program."""
    code = f"{program}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_of_it() -> None:
    loaded = loaded_by("import sp00ky_core")
    assert {name for name in loaded if name.startswith("sp00ky_core.")} == set()


@pytest.mark.parametrize("module", ["rich.console", "rich.live", "uvloop", "sp00ky_core.cli.demo.delivery"])
def test_the_help_needs_no_large_library(module: str) -> None:
    program = "from contextlib import suppress\nfrom sp00ky_core.cli import main\n"
    program += "with suppress(SystemExit): main(['jobs', 'list', '--help'])"
    assert module not in loaded_by(program)


def test_every_name_is_there_when_it_is_asked_for() -> None:
    assert set(sp00ky_core.__all__) == {*sp00ky_core._MODULE_OF, "__version__"}
    assert set(sp00ky_core.__all__) <= set(dir(sp00ky_core))
    for name, module in sp00ky_core._MODULE_OF.items():
        value = getattr(sp00ky_core, name)
        assert value is getattr(sys.modules[f"sp00ky_core.{module}"], name)
        assert name in sys.modules[f"sp00ky_core.{module}"].__all__
    with pytest.raises(AttributeError, match="nothing"):
        getattr(sp00ky_core, "nothing")  # noqa: B009  # a type checker refuses it as it should


@pytest.mark.parametrize("package", ["sp00ky_core", "sp00ky_core.testing"])
def test_a_type_checker_knows_the_names(tmp_path: Path, package: str) -> None:
    mypy = pytest.importorskip("mypy.api", reason="only where types are checked")
    (tmp_path / "bad.py").write_text(f"from {package} import Nonsense\n")
    out, _, code = mypy.run(["--cache-dir", str(tmp_path), str(tmp_path / "bad.py")])
    assert code == 1, out
    assert '"Nonsense"' in out
