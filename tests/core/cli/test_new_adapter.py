"""``sp00ky new-adapter``: what it writes passes its tests once it is installed, and pages show its code.

The pages are store-without-sql.md and transport-without-http.md.
"""

import re
import subprocess
import sys
import venv
from pathlib import Path
from textwrap import indent

import pytest
from tests.core.cli.conftest import Cli

from sp00ky_store_kit.schema import job_table

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = {("store", "mydb"): "store-without-sql.md", ("transport", "mywire"): "transport-without-http.md"}


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("adapter", "name"), PAGES.items(), ids=str)
def test_a_page_shows_what_is_written(sp00ky: Cli, folder: Path, adapter: tuple[str, str], name: str) -> None:
    written = sp00ky("new-adapter", *adapter)
    assert written.code == 0
    files = [line.removeprefix("wrote ") for line in written.out.splitlines() if line.startswith("wrote ")]
    code = "\n".join((folder / file).read_text(encoding="utf-8") for file in files)
    for block in BLOCK.findall(page(name)):
        if not any(indent(block, depth * "    ") in code for depth in range(3)):
            exec(compile(block, name, "exec"), {})  # noqa: S102  # a block of ours, which asserts


def test_the_page_says_what_each_index_is_for() -> None:
    table = page("store-without-sql.md").partition("| index of a job table |")[2].partition("\n\n")[0]
    names = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(names) == sorted(index.name for index in job_table("job").indexes)


@pytest.mark.parametrize(
    ("kind", "name", "problem"),
    [
        ("store", "My-db", "'My-db' can't be a scheme: use lower-case letters and digits, a letter first"),
        ("store", "../x", "'../x' can't be a scheme"),
        ("transport", "3d", "'3d' can't be a scheme"),
        (
            "store",
            "memory",
            "memory:// is a store of sp00ky-store-kit, which is installed here",
        ),
        ("store", "there", "sp00ky_store_there is there already and nothing was written"),
    ],
)
def test_a_bad_name_is_one_line(sp00ky: Cli, folder: Path, kind: str, name: str, problem: str) -> None:
    (folder / "sp00ky_store_there").mkdir()
    assert sp00ky("new-adapter", kind, name).complaint(1).startswith(f"sp00ky: {problem}")
    assert [path.name for path in folder.rglob("*")] == ["sp00ky_store_there"]


def test_what_is_written_passes_its_tests_once_installed(sp00ky: Cli, folder: Path) -> None:
    """Both are installed side by side; what they need is there by a path to this environment's."""
    env = folder / "env"
    venv.create(env, with_pip=False)  # this environment's pip does it
    (packages,) = env.rglob("site-packages")
    here = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "here.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in here))
    made = [f"sp00ky_{kind}_{name}" for kind, name in PAGES]
    for kind, name in PAGES:
        assert sp00ky("new-adapter", kind, name).code == 0
    pip = [sys.executable, "-m", "pip", "--python", str(env), "install", "--quiet", "--no-deps"]
    run(folder, *pip, *(f"./{package}" for package in made))
    python = str(env / "bin" / "python")
    plugins = run(folder, python, "-c", "from sp00ky_core.cli.app import main; main(['plugins', '--json'])")
    for package in made:
        assert f'"{package.replace("_", "-")}"' in plugins
        assert " passed" in run(folder / package, python, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def run(folder: Path, *command: str) -> str:
    """Return what a command that succeeds prints."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
