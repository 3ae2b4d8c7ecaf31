"""Read an OpenAPI document and the files that it refers to, and follow references to what they mean.

Files are regular ones, in folders that are allowed, and not too much in all. Nothing is ever fetched from the
network.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit

import attrs

from sp00ky_openapi.json_text import pointer_of, steps_of
from sp00ky_openapi.yaml_text import YamlProblem, read_yaml

MOST_BYTES = 64 * 1024 * 1024
"""Bytes that all files of one document may have together."""

_VERSION = re.compile(r"3\.([0-2])(\.\d+.*)?")
_MOST_REFERENCES = 50  # from one to the next, before it is taken for a circle
_INDEX = re.compile(r"[0-9]{1,9}")
_NAMES = ("$anchor", "$dynamicAnchor")
_KEPT = "/~!$&'()*+,;=:@-._{}"  # what a location shows as it is


@attrs.define(eq=False)
class DocumentProblem(Exception):
    """Say what is wrong with the document, at which key (dotted; empty: all of it, or a route's part).

    Attributes:
        problem: What is wrong, in words.
        key: The dotted key.
    """

    problem: str
    key: str = ""


class Documents:
    """A root document and its neighbours, as they were read.

    Attributes:
        minor: 0, 1 or 2, of OpenAPI 3.0, 3.1 and 3.2; 0 of Swagger 2.0, whose schemas are read alike.
        is_swagger: Whether it is Swagger 2.0.
        digest: Tells documents apart, by the bytes of all their files.

    Raises:
        DocumentProblem: the root is missing, unreadable, or no OpenAPI document.
    """

    def __init__(self, file: Path, ref_roots: Sequence[Path] = (), *, root: Any = None) -> None:
        """``root``: what the file would hold, where there is none."""
        self._folders = tuple(Path(os.path.realpath(folder)) for folder in [file.parent, *ref_roots])
        self._left = MOST_BYTES
        self._hash = sha256()
        self._uri = file.absolute().as_uri()
        self._read = {self._uri: self._parsed(file) if root is None else self._given(root)}
        self._problems: dict[str, str] = {}  # of neighbours that can't be had
        self._named: dict[str, dict[str, str]] = {}  # by document: names of schemas in it, and their pointers
        root = self._read[self._uri]
        self.is_swagger: bool = isinstance(root, dict) and "openapi" not in root and "swagger" in root
        self.minor: int = _minor_version(root, is_swagger=self.is_swagger)
        self._read_neighbours()
        self.digest: str = self._hash.hexdigest()[:12]

    @property
    def root(self) -> Node:
        """The OpenAPI document itself."""
        return Node(documents=self, uri=self._uri, pointer="", value=self._read[self._uri])

    def next_node(self, reference: str, seen_from: Node) -> Node:
        """Follow a ``$ref`` once, though that may be a reference again. Raises ``DocumentProblem``."""
        uri, fragment = _target(reference, seen_from.uri)
        pointer = unquote(fragment)
        if uri not in self._read:
            uri, pointer = self._by_id(uri, pointer, reference, seen_from)
        elif pointer and not pointer.startswith("/"):
            pointer = self._names(uri).get(pointer, pointer)
        candidates = [pointer, *(_enclosing(seen_from, pointer) if uri == seen_from.uri else ())]
        for candidate in candidates:
            value = _at(self._read[uri], candidate)
            if value is not _NOTHING:
                return Node(documents=self, uri=uri, pointer=candidate, value=value)
        raise DocumentProblem(f"the reference {reference[:200]!r} leads nowhere; add what it names")

    def _by_id(self, uri: str, pointer: str, reference: str, seen_from: Node) -> tuple[str, str]:
        """Find the schema that has this URI as its ``$id``."""
        is_file = uri in self._problems and uri.startswith("file:")
        schema = None if is_file else self._names(seen_from.uri).get(uri)
        if schema is not None:
            return seen_from.uri, schema + pointer
        problem = self._problems.get(uri) or f"the reference {reference[:200]!r} leads nowhere"
        raise DocumentProblem(problem)

    def _names(self, uri: str) -> dict[str, str]:
        if uri not in self._named:
            self._named[uri] = dict(_named_schemas(self._read[uri], uri))
        return self._named[uri]

    def _read_neighbours(self) -> None:
        pending = [self._uri]
        while pending:
            seen_from = pending.pop()
            for reference in _references(self._read[seen_from]):
                uri = _target(reference, seen_from)[0]
                if uri in self._read or uri in self._problems:
                    continue
                try:
                    self._read[uri] = self._parsed(self._allowed(_local_file(uri)))
                    pending.append(uri)
                except DocumentProblem as error:  # only counts where a route needs it
                    self._problems[uri] = f"it refers to {uri[:500]}: {error.problem}"

    def _allowed(self, file: Path) -> Path:
        """Return a file that a reference names, symbolic links resolved, in a folder that is allowed."""
        try:
            file.stat()  # also says that symbolic links go in a circle
            real = Path(os.path.realpath(file))
        except (OSError, ValueError):
            return file  # what reads it says what is wrong
        if not any(real.is_relative_to(folder) for folder in self._folders):
            raise DocumentProblem("that is outside of the document's folder; name its folder in `refRoots`")
        return real

    def _given(self, document: Any) -> Any:
        """Take a document that is in no file, as if it had been read."""
        try:
            text = json.dumps(document, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise DocumentProblem(f"it isn't JSON: {error}") from None
        self._hash.update(text.encode(errors="surrogatepass"))
        return json.loads(text)

    def _parsed(self, file: Path) -> Any:
        """Read a YAML or JSON file, wherever it is; every key is a text."""
        try:
            return read_yaml(file, text_keys=True, read=self._bytes)
        except YamlProblem as error:
            raise DocumentProblem(str(error)) from None

    def _bytes(self, file: Path) -> bytes:
        if file.exists() and not file.is_file():  # such as a pipe that no process writes to
            raise DocumentProblem("can't be read: it isn't a regular file")
        with file.open("rb") as opened:
            data = opened.read(self._left + 1)
        if len(data) > self._left:
            most = f"{MOST_BYTES // 1024 // 1024} MB"
            raise DocumentProblem(f"the document's files have more than {most} in all; leave out some")
        self._left -= len(data)
        self._hash.update(data)
        return data


@attrs.frozen(kw_only=True)
class Node:
    """A value in a document, and where it stands.

    Attributes:
        documents: All that have been read.
        uri: The document's.
        pointer: RFC 6901.
        value: The value itself.
    """

    documents: Documents = attrs.field(repr=False)
    uri: str
    pointer: str
    value: Any = attrs.field(repr=False)

    @property
    def place(self) -> tuple[str, str]:
        """The URI of the node's document, and the node's pointer in it."""
        return self.uri, self.pointer

    @property
    def is_reference(self) -> bool:
        """Tell whether the node is a ``$ref``, which says where the value is."""
        return isinstance(self.value, dict) and isinstance(self.value.get("$ref"), str)

    @property
    def shown(self) -> str:
        """Its place, as messages say it: the pointer, after the file's name if it isn't the root."""
        file = "" if self.uri == self.documents.root.uri else self.uri.rpartition("/")[2]
        return f"{file}#{quote(self.pointer, safe=_KEPT)}"[:300]

    def get(self, key: str) -> Node | None:
        """Return what it holds under a key, references followed; None if there is nothing.

        Raises:
            DocumentProblem: a reference leads nowhere.
        """
        inner = self.at(key)
        return inner and inner.followed()

    def at(self, key: str) -> Node | None:
        """Return what it holds under a key as it stands there, though it may be a reference."""
        value = _child(self.value, key)
        return None if value is _NOTHING else self._inner(key, value)

    def children(self) -> Iterator[tuple[str, Node]]:
        """Yield its entries as they stand there; nothing where it is neither a mapping nor a list."""
        for key, value in _entries(self.value):
            yield str(key), self._inner(str(key), value)

    def entries(self, key: str) -> Iterator[tuple[str, Node]]:
        """Yield the entries of what it holds under a key, references to that followed."""
        held = self.get(key)
        yield from held.children() if held else ()

    def listed(self, key: str) -> list[Node]:
        """Return the items of the list that it holds under a key; none where it holds no list there."""
        held = self.get(key)
        return [item for _, item in held.children()] if held and isinstance(held.value, list) else []

    def declared(self, name: str) -> Node | None:
        """Return the property of a name that a schema declares itself, as it stands there."""
        properties = self.get("properties")
        return properties.at(name) if properties else None

    def composing(self, *keywords: str) -> Iterator[Node]:
        """Yield a schema, and those that its reference and these keywords compose it of, each once."""
        pending, seen = [self], set[tuple[str, str]]()
        while pending:
            node = pending.pop()
            if node.place in seen or not isinstance(node.value, dict):
                continue
            seen.add(node.place)
            yield node
            if node.is_reference:
                pending.append(node.target)
            pending += [part for keyword in keywords for part in node.listed(keyword)]

    def _inner(self, key: str, value: Any) -> Node:
        pointer = self.pointer + pointer_of([key])
        return Node(documents=self.documents, uri=self.uri, pointer=pointer, value=value)

    @property
    def target(self) -> Node:
        """Return what it refers to, though that may be a reference again. Raises ``DocumentProblem``."""
        return self.documents.next_node(self.value["$ref"], self)

    def followed(self) -> Node:
        """Return it, or what it refers to in the end.

        Raises:
            DocumentProblem: it leads nowhere, or in a circle.
        """
        node = self
        for _ in range(_MOST_REFERENCES):
            if not node.is_reference:
                return node
            node = node.target
        raise DocumentProblem(f"the reference {self.value['$ref'][:200]!r} leads in a circle")


_NOTHING = object()
_Path = tuple[()] | tuple["_Path", str | int]
"""The way to a value: the way to what it stands in, and the last step."""


def _entries(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _child(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return value.get(key, _NOTHING)
    if isinstance(value, list) and _INDEX.fullmatch(key) and int(key) < len(value):
        return value[int(key)]
    return _NOTHING


def _at(value: Any, pointer: str) -> Any:
    if pointer and not pointer.startswith("/"):
        return _NOTHING
    for step in steps_of(pointer):
        value = _child(value, step)
    return value


def _enclosing(node: Node, pointer: str) -> Iterator[str]:
    """Yield where a pointer leads from the schemas around the node (``#/$defs/x``), nearest first."""
    outer = node.pointer
    while outer:
        yield outer + pointer
        outer = outer.rpartition("/")[0]


def _target(reference: str, seen_from: str) -> tuple[str, str]:
    """Return the URI and the fragment that a ``$ref`` means."""
    uri, _, fragment = reference.partition("#")
    if uri in ("", seen_from):
        return seen_from, fragment
    try:
        uri, fragment = urldefrag(urljoin(seen_from, reference))
    except ValueError:
        return reference, ""  # no URI: there will be no such document
    return uri, fragment


def _mappings(document: Any) -> Iterator[tuple[dict[str, Any], _Path]]:
    """Yield every mapping in a document, and the way to it."""
    pending: list[tuple[Any, _Path]] = [(document, ())]
    while pending:
        value, path = pending.pop()
        if isinstance(value, dict):
            yield value, path
        pending += [(inner, (path, key)) for key, inner in _entries(value) if isinstance(inner, dict | list)]


def _references(document: Any) -> Iterator[str]:
    """Yield every ``$ref`` in a document that leads out of it."""
    for mapping, _ in _mappings(document):
        reference = mapping.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            yield reference


def _named_schemas(document: Any, uri: str) -> Iterator[tuple[str, str]]:
    """Yield the names that schemas have (``$id`` as a whole URI, ``$anchor``), and their pointers."""
    for mapping, path in _mappings(document):
        names = [mapping[name] for name in _NAMES if isinstance(mapping.get(name), str)]
        if isinstance(mapping.get("$id"), str):
            names.append(_target(mapping["$id"], uri)[0])
        yield from ((name, _pointer(path)) for name in names)


def _pointer(path: _Path) -> str:
    steps: list[str | int] = []
    while path:
        path, step = path
        steps.append(step)
    return pointer_of(reversed(steps))


def _local_file(uri: str) -> Path:
    try:
        url = urlsplit(uri)
    except ValueError:
        raise DocumentProblem("that isn't a URI") from None
    if url.scheme != "file" or url.netloc:
        raise DocumentProblem("nothing is ever fetched; save it beside this file and refer to it there")
    from urllib.request import url2pathname  # noqa: PLC0415  # it brings an HTTP client, and is seldom needed

    return Path(url2pathname(url.path))


def _minor_version(raw: Any, *, is_swagger: bool) -> int:
    """Tell which OpenAPI 3 a document is, or is read like. Raises ``DocumentProblem``."""
    if is_swagger and str(raw["swagger"]) == "2.0":
        return 0
    if not isinstance(raw, dict):
        raise DocumentProblem("it isn't an OpenAPI document: expected a mapping with `openapi: 3.1.0`")
    if is_swagger:
        problem = f"version {str(raw['swagger'])[:20]!r} is not supported; use '2.0'"
        raise DocumentProblem(problem, "swagger")
    if "openapi" not in raw:
        raise DocumentProblem("it is missing: this isn't an OpenAPI document", "openapi")
    version = _VERSION.fullmatch(str(raw["openapi"]))
    if version is None:
        problem = f"version {str(raw['openapi'])[:20]!r} is not supported; use 3.0.x, 3.1.x or 3.2.x"
        raise DocumentProblem(problem, "openapi")
    return int(version[1])
