"""An OpenAPI document and the files that it refers to, and the way from a reference to what it means.

Nothing is ever fetched from the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit

import attrs

from sp00ky_core.contract.files import FileProblem, Files

_VERSION = re.compile(r"3\.(\d+)(\.\d+.*)?")
_LATEST = 2  # 3.2
_MOST_REFERENCES = 50  # from one to the next, before it is taken for a circle
_INDEX = re.compile(r"[0-9]{1,9}")
_NAMES = ("$anchor", "$dynamicAnchor")
_KEPT = "/~!$&'()*+,;=:@-._{}"  # what a location shows as it is


@attrs.define(eq=False)
class DocumentProblem(Exception):
    """Say what is wrong with the document, at which key (dotted; empty: all of it, or a route's part).

    Attributes:
        key: The dotted key.
        problem: What is wrong, in words.
    """

    key: str
    problem: str


class Documents:
    """A root document and its neighbours, as they were read.

    Attributes:
        minor: 0, 1 or 2, of OpenAPI 3.0, 3.1 and 3.2; 0 of Swagger 2.0, whose schemas are read alike.
        is_swagger: Whether it is Swagger 2.0.
        digest: Tells documents apart, by the bytes of all their files.

    Raises:
        DocumentProblem: the root is missing, unreadable, or no OpenAPI document.
    """

    def __init__(self, file: Path, ref_roots: Sequence[Path] = ()) -> None:
        self._files = Files([file.parent, *ref_roots])
        self._uri = file.absolute().as_uri()
        try:
            self._read = {self._uri: self._files.read(file)}
        except FileProblem as error:
            raise DocumentProblem("", str(error)) from None
        self._problems: dict[str, str] = {}  # of neighbours that can't be had
        self._named: dict[str, dict[str, str]] = {}  # by document: names of schemas in it, and their pointers
        root = self._read[self._uri]
        self.is_swagger: bool = isinstance(root, dict) and "openapi" not in root and "swagger" in root
        self.minor: int = 0 if self.is_swagger and str(root["swagger"]) == "2.0" else _minor_version(root)
        self._read_neighbours()
        self.digest: str = self._files.digest

    @property
    def root(self) -> Node:
        """The OpenAPI document itself."""
        return Node(documents=self, uri=self._uri, pointer="", value=self._read[self._uri])

    def node(self, reference: str, seen_from: Node) -> Node:
        """Follow a ``$ref`` to what it means, further where that is a reference itself.

        Raises:
            DocumentProblem: it leads nowhere, or in a circle.
        """
        node = self.next_node(reference, seen_from)
        for _ in range(_MOST_REFERENCES):
            if not node.is_reference:
                return node
            node = self.next_node(node.value["$ref"], node)
        raise DocumentProblem("", f"the reference {reference[:200]!r} leads in a circle")

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
        raise DocumentProblem("", f"the reference {reference[:200]!r} leads nowhere; add what it names")

    def _by_id(self, uri: str, pointer: str, reference: str, seen_from: Node) -> tuple[str, str]:
        """Find the schema that has this URI as its ``$id``."""
        is_file = uri in self._problems and uri.startswith("file:")
        found = None if is_file else self._names(seen_from.uri).get(uri)
        if found is not None:
            return seen_from.uri, found + pointer
        problem = self._problems.get(uri) or f"the reference {reference[:200]!r} leads nowhere"
        raise DocumentProblem("", problem)

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
                if uri not in self._read and uri not in self._problems and self._read_neighbour(uri):
                    pending.append(uri)

    def _read_neighbour(self, uri: str) -> bool:
        try:
            self._read[uri] = self._files.read_referred(_local_file(uri))
        except FileProblem as error:
            self._problems[uri] = f"it refers to {uri[:500]}: {error}"  # only counts where a route needs it
            return False
        return True


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
        """Its document's URI, and its pointer there."""
        return self.uri, self.pointer

    @property
    def is_reference(self) -> bool:
        """Whether it only says where the value is."""
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

    def each(self) -> Iterator[tuple[str, Node]]:
        """Its entries as they stand there; nothing where it is neither a mapping nor a list."""
        entries = enumerate(self.value) if isinstance(self.value, list) else ()
        for key, value in self.value.items() if isinstance(self.value, dict) else entries:
            yield str(key), self._inner(str(key), value)

    def entries(self, key: str) -> Iterator[tuple[str, Node]]:
        """Yield the entries of what it holds under a key, references to that followed."""
        held = self.get(key)
        yield from held.each() if held else ()

    def listed(self, key: str) -> list[Node]:
        """Return the items of the list that it holds under a key; none where it holds no list there."""
        held = self.get(key)
        return [each for _, each in held.each()] if held and isinstance(held.value, list) else []

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
                pending.append(node.documents.next_node(node.value["$ref"], node))
            pending += [each for keyword in keywords for each in node.listed(keyword)]

    def _inner(self, key: str, value: Any) -> Node:
        pointer = f"{self.pointer}/{_step(key)}"
        return Node(documents=self.documents, uri=self.uri, pointer=pointer, value=value)

    def followed(self) -> Node:
        """Return it, or what it refers to. Raises ``DocumentProblem``."""
        return self.documents.node(self.value["$ref"], self) if self.is_reference else self


_NOTHING = object()


def _child(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return value.get(key, _NOTHING)
    if isinstance(value, list) and _INDEX.fullmatch(key) and int(key) < len(value):
        return value[int(key)]
    return _NOTHING


def _at(value: Any, pointer: str) -> Any:
    if pointer and not pointer.startswith("/"):
        return _NOTHING
    for step in pointer.split("/")[1:]:
        value = _child(value, step.replace("~1", "/").replace("~0", "~"))
    return value


def _step(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


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


def _references(value: Any) -> Iterator[str]:
    """Every ``$ref`` in a document that leads out of it."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            reference = each.get("$ref")
            if isinstance(reference, str) and not reference.startswith("#"):
                yield reference
            pending.extend(inner for inner in each.values() if isinstance(inner, dict | list))
        elif isinstance(each, list):
            pending.extend(inner for inner in each if isinstance(inner, dict | list))


def _named_schemas(document: Any, uri: str) -> Iterator[tuple[str, str]]:
    """Return the names that schemas have (``$id`` as a whole URI, ``$anchor``), and their pointers."""
    pending = [(document, "")]
    while pending:
        value, pointer = pending.pop()
        if isinstance(value, dict):
            yield from ((value[name], pointer) for name in _NAMES if isinstance(value.get(name), str))
            if isinstance(value.get("$id"), str):
                yield _target(value["$id"], uri)[0], pointer
            pending.extend((inner, f"{pointer}/{_step(key)}") for key, inner in value.items())
        elif isinstance(value, list):
            pending.extend((inner, f"{pointer}/{index}") for index, inner in enumerate(value))


def _local_file(uri: str) -> Path:
    try:
        url = urlsplit(uri)
    except ValueError:
        raise FileProblem("that isn't a URI") from None
    if url.scheme != "file" or url.netloc:
        raise FileProblem("nothing is ever fetched; save it beside this file and refer to it there")
    from urllib.request import url2pathname  # noqa: PLC0415  # it brings an HTTP client, and is seldom needed

    return Path(url2pathname(url.path))


def _minor_version(raw: Any) -> int:
    """Which OpenAPI 3 it is. Raises ``DocumentProblem``."""
    if not isinstance(raw, dict):
        raise DocumentProblem("", "it isn't an OpenAPI document: expected a mapping with `openapi: 3.1.0`")
    if "swagger" in raw and "openapi" not in raw:
        problem = f"version {str(raw['swagger'])[:20]!r} is not supported; use '2.0'"
        raise DocumentProblem("swagger", problem)
    if "openapi" not in raw:
        raise DocumentProblem("openapi", "it is missing: this isn't an OpenAPI document")
    version = str(raw["openapi"])
    found = _VERSION.fullmatch(version)
    if not found or not found[1].isascii() or len(found[1]) > 1 or int(found[1]) > _LATEST:
        raise DocumentProblem(
            "openapi", f"version {version[:20]!r} is not supported; use 3.0.x, 3.1.x or 3.2.x"
        )
    return int(found[1])
