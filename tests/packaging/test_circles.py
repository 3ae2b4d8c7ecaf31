"""No files of the core import each other in a circle, not even for their types alone."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE = ROOT / "sp00ky_core/src/sp00ky_core"


def named(file: Path) -> str:
    return ".".join(file.relative_to(CORE.parent).with_suffix("").parts).removesuffix(".__init__")


FILES = {named(file): file for file in CORE.rglob("*.py")}


def imported(module: str) -> Iterator[str]:
    """Yield the core's modules that one imports anywhere in it, in a function and for types too."""
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (
                whole if (whole := f"{node.module}.{name.name}") in FILES else node.module
                for name in node.names
            )


def circle(imports: Mapping[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})
    assert circle({"a": {"b"}, "b": {"c"}, "d": {"a"}}) == []


def test_no_files_of_the_core_import_each_other_in_a_circle() -> None:
    imports = {module: {*imported(module)} & FILES.keys() - {module} for module in FILES}
    assert len(imports) > 100
    assert sum(map(len, imports.values())) > 500
    assert circle(imports) == []
