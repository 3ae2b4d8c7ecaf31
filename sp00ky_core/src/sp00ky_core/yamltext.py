"""YAML as its users read it: the core schema of YAML 1.2, and no key twice.

PyYAML follows YAML 1.1, where ``on`` is true, ``1:30`` is 90, ``010`` is 8 and ``2024-01-01`` is a date.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml

__all__ = ["YamlProblem", "read_yaml", "parse_yaml", "dump_yaml"]


class YamlProblem(ValueError):
    """Text that can't be read, in one line, with the place; never quotes a value."""


_NULL = re.compile(r"(?:~|null|Null|NULL|)$")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)$")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_SCALARS = [
    # tag, pattern, first characters; the order counts
    ("tag:yaml.org,2002:null", _NULL, ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", _BOOL, list("tTfF")),
    ("tag:yaml.org,2002:int", _INT, list("-+0123456789")),
    ("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789")),
    ("tag:yaml.org,2002:merge", re.compile(r"<<$"), ["<"]),  # of YAML 1.1, and widely used in such files
]
_TAGS = ("null", "bool", "int", "float", "str", "seq", "map")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # it is a class either way
    """The safe loader with the scalars and the tags of the core schema, and no others."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}
    yaml_constructors: ClassVar[dict[Any, Any]] = {
        tag: construct
        for tag, construct in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in _TAGS
    }


class _Dumper(yaml.SafeDumper):
    """Quotes what ``_Loader`` would take for something else than text."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]  # PyYAML's stubs have it for an instance's

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    try:
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    except ValueError as error:
        raise yaml.constructor.ConstructorError(None, None, "no such integer", node.start_mark) from error


def _construct_float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).lower()
    try:
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError as error:
        raise yaml.constructor.ConstructorError(None, None, "no such number", node.start_mark) from error


for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)
    _Dumper.add_implicit_resolver(_tag, _pattern, _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def read_yaml(file: Path) -> Any:
    """The value in a file of YAML or JSON.

    Raises:
        YamlProblem: it is missing, unreadable, not UTF-8, or neither YAML nor JSON.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise YamlProblem("no such file") from None
    except UnicodeDecodeError:
        raise YamlProblem("it is not UTF-8; save it as UTF-8") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise YamlProblem(f"can't be read: {getattr(error, 'strerror', None) or error}") from None
    return parse_yaml(text)


def parse_yaml(text: str) -> Any:
    """The value of YAML or JSON text.

    Raises:
        YamlProblem: it is neither, has a key twice, or refers to itself.
    """
    try:
        return _parsed_json(text) if text.lstrip()[:1] == "{" else _parsed_yaml(text)
    except RecursionError:
        raise YamlProblem("it is nested too deeply") from None


def _parsed_json(text: str) -> Any:
    # Fast, and JSON may be indented by tabs, which YAML refuses.
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except YamlProblem:
        raise
    except ValueError:
        return _parsed_yaml(text)  # "{" opens a mapping in YAML too


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise YamlProblem(f"the key {twice!r} is there twice; keep one")
    return found


def _parsed_yaml(text: str) -> Any:
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                return None
            _refuse_doubtful(root)
            return loader.construct_document(root)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise YamlProblem(_one_line(error)) from None


def _one_line(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem:
        # its `context` and its marks' snippets would quote the file
        return f"no valid YAML{_place(error.problem_mark)}: {error.problem}"
    if isinstance(error, yaml.reader.ReaderError):
        return f"no valid YAML: the character U+{_code(error.character):04X} is not allowed"
    return "no valid YAML"


def _code(character: object) -> int:
    return character if isinstance(character, int) else ord(str(character)[:1] or "\0")


def _place(mark: yaml.Mark | None) -> str:
    return f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""


def _refuse_doubtful(root: yaml.Node) -> None:
    """Refuse a key that is there twice, and an alias that contains itself."""
    done: set[int] = set()
    within: set[int] = set()
    pending: list[tuple[yaml.Node, bool]] = [(root, False)]
    while pending:
        node, leaving = pending.pop()
        if leaving:
            within.discard(id(node))
            done.add(id(node))
        elif id(node) in within:
            raise YamlProblem(f"an alias contains itself{_place(node.start_mark)}")
        elif id(node) not in done and isinstance(node, yaml.CollectionNode):
            within.add(id(node))
            pending.append((node, True))
            pending.extend((child, False) for child in _children(node))


def _children(node: yaml.CollectionNode) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        _refuse_twice(node)
        for key, value in node.value:
            yield key
            yield value
    else:
        yield from node.value


def _refuse_twice(node: yaml.MappingNode) -> None:
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(":merge"):
            continue
        if (key.tag, key.value) in seen:
            raise YamlProblem(f"the key {key.value!r} is there twice{_place(key.start_mark)}; keep one")
        seen.add((key.tag, key.value))


def dump_yaml(value: Any) -> str:
    """YAML text that ``parse_yaml`` reads as the same value (mappings, lists and scalars; no NaN)."""
    # ASCII only: unescaped, PyYAML writes U+0085 as a line end
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=math.inf)
