"""Build the value of a YAML document from its parser's events: the core schema of YAML 1.2, no key twice.

Going from events to values without PyYAML's nodes in between takes half the time. An alias is the value that
it stands for, not a copy, so what is small as text is small in memory; how far all of them would expand is
bounded, for whoever walks through the value meets them again and again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import yaml

from sp00ky_openapi.json_text import decode

__all__ = ["YamlProblem", "parse_yaml", "read_yaml"]

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # only its events are used
_MOST_EXPANDED = 1_000_000  # values that all aliases of a document stand for
_DEEPEST = 500  # levels
_PREFIX = "tag:yaml.org,2002:"
SCALARS = {
    # by kind, what its texts are; the order counts
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    "merge": r"<<",  # of YAML 1.1, and widely used in such files
}
_SCALAR = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in SCALARS.items()))
_COLLECTIONS = {yaml.SequenceStartEvent: "seq", yaml.MappingStartEvent: "map"}
_NO_KEY: Any = object()
_MERGE: Any = object()


class YamlProblem(ValueError):
    """Text that can't be read, in one line, with the place; never quotes a value."""


@attrs.define
class _Open:
    """A mapping or a list that hasn't ended yet."""

    value: Any
    anchor: str | None
    key: Any = _NO_KEY  # of a mapping, the one that waits for its value
    size: int = 1  # values in it, itself included, aliases expanded
    merged: list[Any] = attrs.field(factory=list)  # what stands under ``<<``


class _Builder:
    """Make a value of events."""

    def __init__(self, *, text_keys: bool) -> None:
        self._text_keys = text_keys
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int] | None] = {}  # value and size; None while it is open
        self._plain: dict[str, Any] = {}  # what unquoted texts mean
        self._expanded = 0
        self._root: Any = None
        self._documents = 0

    def built(self, parser: Any) -> Any:
        take = {
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.MappingStartEvent: self._begin,
            yaml.SequenceStartEvent: self._begin,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.DocumentStartEvent: self._document,
        }
        event = parser.get_event()
        while event is not None:
            handler = take.get(type(event))
            if handler is not None:
                handler(event)
            event = parser.get_event()
        return self._root

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _invalid(event, "it holds a second document; keep one")

    def _scalar(self, event: Any) -> None:
        text = event.value
        if event.tag is None and event.implicit[0]:
            value = self._plain.get(text, _NO_KEY)
            if value is _NO_KEY:
                value = self._plain[text] = _plain_value(text, event)
        else:
            value = text if event.tag is None else _tagged_value(text, event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        self._add(value, 1, event)

    def _alias(self, event: Any) -> None:
        known = self._anchors.get(event.anchor, _NO_KEY)
        if known is _NO_KEY:
            raise _invalid(event, "there is no such anchor")
        if known is None:
            raise YamlProblem(f"an alias contains itself{_place(event.start_mark)}")
        value, size = known
        self._expanded += size
        if self._expanded > _MOST_EXPANDED:
            at = _place(event.start_mark)
            raise YamlProblem(f"its aliases stand for more than {_MOST_EXPANDED:,} values{at}; use fewer")
        self._add(value, size, event)

    def _begin(self, event: Any) -> None:
        kind = _COLLECTIONS[type(event)]
        if event.tag not in {None, "!", _PREFIX + kind}:
            raise _unknown_tag(event)
        if len(self._open) >= _DEEPEST:
            raise YamlProblem(f"it is nested too deeply{_place(event.start_mark)}")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._open.append(_Open({} if kind == "map" else [], event.anchor))

    def _end(self, event: Any) -> None:
        ended = self._open.pop()
        for other in ended.merged:
            for key, value in other.items():
                ended.value.setdefault(key, value)
        if ended.anchor is not None:
            self._anchors[ended.anchor] = (ended.value, ended.size)
        self._add(ended.value, ended.size, event)

    def _add(self, value: Any, size: int, event: Any) -> None:
        if not self._open:
            self._root = None if value is _MERGE else value
            return
        inner = self._open[-1]
        inner.size += size
        plain = "<<" if value is _MERGE else value
        if type(inner.value) is list:
            inner.value.append(plain)
        elif inner.key is _NO_KEY:
            inner.key = self._key(value, inner.value, event)
        else:
            if inner.key is _MERGE:
                inner.merged += _mergeable(value, event)
            else:
                inner.value[inner.key] = plain
            inner.key = _NO_KEY

    def _key(self, value: Any, mapping: dict[Any, Any], event: Any) -> Any:
        if isinstance(value, dict | list):
            raise _invalid(event, "a key must be text or a number")
        if self._text_keys and value is not _MERGE and not isinstance(value, str):
            value = _text(value)
        if value in mapping:
            raise YamlProblem(f"the key {str(value)!r} is there twice{_place(event.start_mark)}; keep one")
        return value


def _text(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)


def _plain_value(text: str, event: Any) -> Any:
    known = _SCALAR.fullmatch(text)
    return text if known is None else _constructed(str(known.lastgroup), text, event)


def _tagged_value(text: str, event: Any) -> Any:
    kind = event.tag.removeprefix(_PREFIX)
    if event.tag in {"!", f"{_PREFIX}str"}:
        return text
    if kind in (event.tag, "merge") or kind not in SCALARS:
        raise _unknown_tag(event)
    return _constructed(kind, text, event)


def _constructed(kind: str, text: str, event: Any) -> Any:
    try:
        if kind == "int":
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        if kind == "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        raise _invalid(event, "no such number") from None
    if kind == "bool" and not re.fullmatch(SCALARS[kind], text):
        raise _invalid(event, "no such boolean")
    return {"null": None, "bool": text.lower() == "true", "merge": _MERGE}[kind]


def _mergeable(value: Any, event: Any) -> list[Any]:
    mappings = value if isinstance(value, list) else [value]
    if not all(isinstance(mapping, dict) for mapping in mappings):
        raise _invalid(event, "only mappings can stand under '<<'")
    return mappings


def _invalid(event: Any, problem: str) -> YamlProblem:
    return YamlProblem(f"no valid YAML{_place(event.start_mark)}: {problem}")


def _unknown_tag(event: Any) -> YamlProblem:
    return _invalid(event, f"the tag {event.tag[:80]!r} is unknown")


def _place(mark: yaml.Mark | None) -> str:
    """Return the place in the text, in brackets; empty where that isn't known."""
    return f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""


def _one_line(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem:
        # its `context` and its marks' snippets would quote the file
        return f"no valid YAML{_place(error.problem_mark)}: {error.problem}"
    if isinstance(error, yaml.reader.ReaderError):
        return f"no valid YAML: the character U+{_code(error.character):04X} is not allowed"
    return "no valid YAML"


def _code(character: object) -> int:
    return character if isinstance(character, int) else ord(str(character)[:1] or "\0")


def read_yaml(file: Path, *, text_keys: bool = False, read: Callable[[Path], bytes] = Path.read_bytes) -> Any:
    """Read the value in a file of YAML or JSON, as ``parse_yaml`` does.

    Raises:
        YamlProblem: it is missing, unreadable, not UTF-8, or neither YAML nor JSON.
    """
    try:
        text = read(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise YamlProblem("it is not UTF-8; save it as UTF-8") from None
    except FileNotFoundError:
        raise YamlProblem("no such file") from None
    except (OSError, ValueError) as error:  # a ValueError is of a NUL in its name
        raise YamlProblem(f"can't be read: {getattr(error, 'strerror', None) or error}") from None
    return parse_yaml(text, text_keys=text_keys)


def parse_yaml(text: str, *, text_keys: bool = False) -> Any:
    """Parse YAML or JSON text; with ``text_keys`` each key is a text, as in JSON: ``200:`` is ``"200"``.

    Raises:
        YamlProblem: it is neither, has a key twice, or its aliases contain themselves or expand too far.
    """
    if text.lstrip()[:1] == "{":
        # The quick way, and JSON may be indented by tabs, which YAML refuses; "{" may open a mapping of it.
        with suppress(ValueError):
            return decode(text, unique_keys=True)
    try:
        parser = _PARSER(text)
        try:
            return _Builder(text_keys=text_keys).built(parser)
        finally:
            parser.dispose()
    except yaml.YAMLError as error:
        raise YamlProblem(_one_line(error)) from None
