"""Each folder of tests is of one distribution, or crosses them; the map of the core names its rooms."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]

ACROSS = "benchmarks chaos documents e2e examples hostile mutants packaging types upgrade"
"""Folders whose tests are of several distributions together, or of none."""


def test_every_folder_of_tests_is_a_distribution_s_or_crosses_them() -> None:
    projects = [*ROOT.glob("*/pyproject.toml"), *ROOT.glob("contrib/*/pyproject.toml")]
    distributions = {file.parent.name.removeprefix("sp00ky_") for file in projects}
    folders = {file.name for file in (ROOT / "tests").iterdir() if any(file.rglob("test_*.py"))}
    assert folders - distributions == set(ACROSS.split())


def test_the_map_has_each_room_of_the_core_in_the_order_that_imports_keep() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [room for layer in reversed(contract["layers"]) for room in layer.split(" | ")]
    table = (ROOT / "docs" / "architecture.md").read_text().partition("## The rooms of the core")[2]
    rows = [line.split("|")[1] for line in table.partition("\n!")[0].splitlines() if line.startswith("| `")]
    rooms = [room.rstrip("/") for row in rows for room in re.findall(r"`([^`]+)`", row)]
    assert [room for room in rooms if room in layers] == layers
    assert set(rooms) - {"sp00ky_core"} == set(layers)
