"""Express JSON Schemas as types of Python: a wider one where none says the same, never a narrower one.

Whatever comes from a document is written by ``ascii`` or as an identifier that was made of it.
"""

from __future__ import annotations

import keyword
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import count
from typing import Any
from urllib.parse import unquote

from sp00ky_core.encoding.json_bytes import steps_of
from sp00ky_core.job.options import is_plain_text
from sp00ky_generate.shapes import DEEPEST, Shape, Shapes, kinds, nullable, referred
from sp00ky_openapi.paths import METHODS
from sp00ky_openapi.schema import alternatives

LONGEST = 60
"""Characters of an identifier."""

HIDDEN = frozenset({"str", "int", "float", "bool", "datetime", "date"})
"""Names in types that one of a class would hide there; the others begin with a capital."""

_WORD = re.compile(r"[A-Za-z0-9]+")
_FIRST = re.compile(r"\A(?:[A-Z]+(?=[A-Z][a-z]|[^A-Za-z]|\Z)|[A-Z])")
_PUBLIC = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Names:
    """The identifiers of one scope. ``separator`` stands before the number of one that was taken."""

    def __init__(self, taken: Iterable[str] = (), *, separator: str = "") -> None:
        self._taken = set(taken)
        self._separator = separator
        self._numbers: dict[str, int] = {}

    def unique(self, *candidates: str) -> str:
        """Return the first candidate that is free, else the last one with a number, and take it."""
        last = f"{candidates[-1]}{self._separator}"
        name = next((name for name in candidates if name not in self._taken), None) or self._numbered(last)
        self._taken.add(name)
        return name

    def stem(self, wanted: str, *templates: str) -> str:
        """Return a stem, numbered until all that the templates make of it are free, and take these."""
        for number in count(1):
            stem = wanted if number == 1 else f"{wanted}{number}"
            made = {template.format(stem) for template in templates}
            if self._taken.isdisjoint(made):
                break
        self._taken |= made
        return stem

    def _numbered(self, last: str) -> str:
        """Return a free name; it goes on where it ended, so that many names alike take no long time."""
        number = self._numbers.get(last, 2)
        while f"{last}{number}" in self._taken:
            number += 1
        self._numbers[last] = number
        return f"{last}{number}"


def class_name(text: str) -> str:
    """Return a name for a class, as ``SpookifyPayload``."""
    words = _WORD.findall(text)
    name = "".join(word[0].upper() + word[1:] for word in words)[:LONGEST]
    return name if name and name[0].isalpha() and not keyword.iskeyword(name) else f"T{name}"


def title(place: str) -> str:
    """Return what a schema is called where a document has it: a component's or a file's name; empty: not."""
    file, _, pointer = unquote(place).partition("#")
    steps = steps_of(pointer)
    if steps and steps[0] in _UNNAMED:
        return ""
    steps = steps[2 if steps[:1] == ["components"] else 1 if steps and steps[0] in _COMPONENTS else 0 :]
    named = [
        step
        for before, step in zip(["", *steps], steps, strict=False)
        if step not in _BETWEEN and before != "content"
    ]
    return " ".join(named) or file.partition(".")[0]


_UNNAMED = frozenset({"paths", *METHODS})
_COMPONENTS = frozenset({"definitions", "$defs", "parameters", "responses", "schemas"})
_BETWEEN = frozenset({"content", "schema", "properties", "items", "$defs", "allOf", "anyOf", "oneOf"})


def attribute_name(text: str) -> str:
    """Return a name for an attribute or a method, as ``users_id``."""
    name = "_".join(_WORD.findall(text))[:LONGEST] or "root"
    name = _begun_small(name) if name[0].isalpha() else f"n{name}"
    return f"{name}_" if keyword.iskeyword(name) or name in HIDDEN else name


def _begun_small(name: str) -> str:
    """Write the first word in lower case, also where it is in capitals."""
    return _FIRST.sub(lambda first: first[0].lower(), name)


def method_name(operation_id: str | None) -> str | None:
    """Return an ``operationId`` as a method's name, begun in lower case, as no class is; None: it is none."""
    if operation_id is None or not _PUBLIC.fullmatch(operation_id) or len(operation_id) > LONGEST:
        return None
    name = _begun_small(operation_id)
    return None if keyword.iskeyword(name) or name in HIDDEN else name


ANY, ANY_OBJECT = "Any", "Mapping[str, Any]"

FILE: Mapping[str, Any] = {"type": "string", "contentEncoding": "base64"}
"""The schema of a file in a form; none of a document is this very one."""

MOST_VALUES = 500
"""Values of an ``enum`` that are listed; one with more is its values' type."""

MOST_FIELDS = 50_000
"""Fields of all objects of a module, so that no document makes an endless one."""

_FORMATS = {"date-time": "str | datetime", "date": "str | date", "uuid": "str | UUID"}
"""What is taken beside text, for it is written as such in JSON."""


_COMPOSING = frozenset({"$ref", "properties", "required", "oneOf", "anyOf", "if"})


def _alone(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the one schema of an ``allOf``, as OpenAPI 3.0 describes a ``$ref``; else itself."""
    parts = schema.get("allOf", ())
    is_alone = len(parts) == 1 and isinstance(parts[0], dict) and not _COMPOSING & schema.keys()
    return parts[0] if is_alone else schema


class Annotations:
    """Types of the schemas of one document, and the classes and aliases that those need.

    Attributes:
        shapes: The shapes of the document's objects.
        statements: The text of each class and alias.
    """

    def __init__(self, definitions: Mapping[str, Any], places: Mapping[str, str], names: Names) -> None:
        self._definitions = definitions
        self._places = places
        self._names = names
        self.shapes: Shapes = Shapes(definitions)
        self._known: dict[str, str] = {}
        self._pending: deque[tuple[str, Shape]] = deque()
        self._fields = 0
        self.statements: list[str] = []

    def of_shapes(self, shapes: Sequence[Shape], *names: str) -> str:
        """Return the type of objects of these shapes, which get one of the names."""
        self._fields += sum(len({*shape.properties, *shape.required}) for shape in shapes)
        if self._fields > MOST_FIELDS:
            return ANY_OBJECT
        whole = self._names.unique(*names)
        if len(shapes) == 1:
            self._pending.append((whole, shapes[0]))
            return whole
        made = [self._names.unique(f"{whole}{number}") for number in range(1, len(shapes) + 1)]
        self._pending.extend(zip(made, shapes, strict=True))
        return self._aliased(whole, " | ".join(made))

    def _aliased(self, alias: str, text: str) -> str:
        self.statements.append(f"{alias}: TypeAlias = {text!a}\n")
        return alias

    def finish(self) -> None:
        """Write the classes that are needed, and those that those need."""
        while self._pending:
            name, shape = self._pending.popleft()
            fields = {
                key: self.of(shape.properties.get(key, True), f"{name} {key}")
                for key in sorted({*shape.properties, *shape.required})
            }
            self.statements.append(typed_dict(name, fields, shape.required))

    def of(self, schema: Any, name: str, depth: int = 0) -> str:
        """Return the type of a schema's values; ``name`` is for what needs one."""
        if schema is FILE:
            return "str | FormFile"
        if not isinstance(schema, dict) or depth > DEEPEST:
            return ANY
        for read in (self._literal, self._reference, self._nullable, self._object, self._composed):
            kind: str | None = read(schema, name, depth + 1)
            if kind is not None and kind != ANY:
                return kind
        return self._by_type(schema, name, depth + 1)

    def _literal(self, schema: Mapping[str, Any], _name: str, _depth: int) -> str | None:
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        return literal(values) if isinstance(values, list) and values else None

    def _reference(self, schema: Mapping[str, Any], name: str, depth: int) -> str | None:
        schema = _alone(schema)
        if "$ref" not in schema or {"properties", "allOf", "oneOf", "anyOf"} & schema.keys():
            return None
        key = schema["$ref"].rpartition("/")[2]
        if key not in self._known:
            self._known[key] = ANY  # an alias that contains itself
            known = class_name(title(self._places.get(key, "")) or name)
            self._known[key] = self._defined(referred(schema, self._definitions), known, depth)
        return self._known[key]

    def _defined(self, schema: Any, name: str, depth: int) -> str:
        shapes = self.shapes.of(schema) if isinstance(schema, dict) and is_object(schema) else None
        if shapes:
            return self.of_shapes(shapes, name)
        text = self.of(schema, name, depth)
        if "[" not in text:
            return text
        return self._aliased(self._names.unique(name), text)

    def _nullable(self, schema: Mapping[str, Any], name: str, depth: int) -> str | None:
        inner = nullable(schema)
        return None if inner is None else union([self.of(inner, name, depth), "None"])

    def _object(self, schema: Mapping[str, Any], name: str, depth: int) -> str | None:
        shapes = self.shapes.of(schema) if is_object(schema) else None
        if not shapes:
            return None
        others = [kind for kind in kinds(schema) if kind != "object"]
        made = self.of_shapes(shapes, class_name(name))
        return union([made, *(self._of_kind(kind, schema, name, depth) for kind in others)])

    def _composed(self, schema: Mapping[str, Any], name: str, depth: int) -> str | None:
        """Take what ``oneOf`` or ``anyOf`` say together, else the part of ``allOf`` that says something."""
        chosen = alternatives(schema) or schema
        branches = chosen.get("oneOf") or chosen.get("anyOf")
        if branches:
            joined = union(self.of(branch, f"{name} {n}", depth) for n, branch in enumerate(branches, 1))
            if joined != ANY:
                return joined
        parts = [self.of(part, name, depth) for part in schema.get("allOf", ())]
        return next((text for text in parts if text != ANY), None)

    def _by_type(self, schema: Mapping[str, Any], name: str, depth: int) -> str:
        return union(self._of_kind(kind, schema, name, depth) for kind in kinds(schema))

    def _of_kind(self, kind: Any, schema: Mapping[str, Any], name: str, depth: int) -> str:
        make = _KINDS.get(kind) if isinstance(kind, str) else None
        return make(self, schema, name, depth) if make else ANY

    def _text(self, schema: Mapping[str, Any], _name: str, _depth: int) -> str:
        kind = schema.get("format")
        return _FORMATS.get(kind, "str") if isinstance(kind, str) else "str"

    def _list(self, schema: Mapping[str, Any], name: str, depth: int) -> str:
        if "prefixItems" in schema:
            return f"Sequence[{ANY}]"
        return f"Sequence[{self.of(schema.get('items'), f'{name} item', depth)}]"

    def _mapping(self, schema: Mapping[str, Any], name: str, depth: int) -> str:
        others = schema.get("additionalProperties")
        if not isinstance(others, dict) or {"properties", "patternProperties"} & schema.keys():
            return ANY_OBJECT
        return f"Mapping[str, {self.of(others, f'{name} value', depth)}]"


_KINDS: Mapping[str, Callable[[Annotations, Mapping[str, Any], str, int], str]] = {
    "string": Annotations._text,
    "integer": lambda *_: "int",
    "number": lambda *_: "float",
    "boolean": lambda *_: "bool",
    "null": lambda *_: "None",
    "array": Annotations._list,
    "object": Annotations._mapping,
}


def is_object(schema: Mapping[str, Any]) -> bool:
    """Whether a schema is meant for objects: says so, or names keys, or joins such schemas."""
    return "object" in kinds(schema) or (
        "type" not in schema and bool({"properties", "allOf"} & schema.keys())
    )


def union(types: Iterable[str]) -> str:
    """Return the type of values that are of any of these."""
    texts = dict.fromkeys(types)
    return ANY if ANY in texts or not texts else " | ".join(texts)


def literal(values: Sequence[Any]) -> str:
    """Return the type that has these values, or of which they are."""
    texts = list(dict.fromkeys(map(_literal_of, values)))
    if ANY in texts:
        return ANY
    listed = [text for text in texts if text != "float"]
    if len(listed) > MOST_VALUES:
        return union(sorted({type(value).__name__ if value is not None else "None" for value in values}))
    return union([f"Literal[{', '.join(listed)}]"] * bool(listed) + ["float"] * ("float" in texts))


def _literal_of(value: Any) -> str:
    if isinstance(value, float):
        return "float"
    if value is None or isinstance(value, bool | int):
        return ascii(value)
    return ascii(value) if isinstance(value, str) and is_plain_text(value) else ANY


_PLAIN = re.compile(r"[a-z][A-Za-z0-9_]*")


def typed_dict(name: str, fields: Mapping[str, str], required: Collection[str]) -> str:
    """Return the statement that defines it; ``fields`` are the keys' types."""
    types = {key: kind if key in required else f"NotRequired[{kind}]" for key, kind in fields.items()}
    if all(map(_is_plain, fields)):
        lines = [f"    {key}: {kind}\n" for key, kind in types.items()] or ["    pass\n"]
        return f"class {name}(TypedDict):\n{''.join(lines)}"
    lines = [f"        {key!a}: {kind!a},\n" for key, kind in types.items()]
    return f"{name} = TypedDict(\n    {name!a},\n    {{\n{''.join(lines)}    }},\n)\n"


def _is_plain(key: str) -> bool:
    return bool(_PLAIN.fullmatch(key)) and not keyword.iskeyword(key) and key not in HIDDEN
