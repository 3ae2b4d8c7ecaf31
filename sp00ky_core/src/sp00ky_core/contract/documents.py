"""An OpenAPI document and the files that it refers to, and the way from a reference to what it means.

Nothing is ever fetched from the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

import attrs

from sp00ky_core.contract.dialects import Rewrite, as_json_schema, rewrite_30, rewrite_31
from sp00ky_core.yamltext import YamlProblem, read_yaml

__all__ = ["Documents", "DocumentProblem", "Node"]

_VERSIONS: tuple[tuple[re.Pattern[str], Rewrite], ...] = (
    (re.compile(r"3\.0(\.\d+.*)?"), rewrite_30),
    (re.compile(r"3\.1(\.\d+.*)?"), rewrite_31),
)
_MOST_REFERENCES = 50  # from one to the next, before it is taken for a circle
_KEPT = "/~!$&'()*+,;=:@-._"  # what a URI's fragment may hold unescaped


@attrs.define(eq=False)
class DocumentProblem(Exception):
    """What is wrong with the document, at which key (dotted; empty: all of it)."""

    key: str
    problem: str


class Documents:
    """A root document and its neighbours, rewritten as JSON Schema sees them.

    Raises:
        DocumentProblem: the root is missing, unreadable, or no OpenAPI 3 document.
    """

    def __init__(self, file: Path) -> None:
        raw = _read(file)
        self._rewrite = _dialect(raw)
        self._uri = file.absolute().as_uri()
        self._read: dict[str, Any] = {self._uri: self._rewritten(raw)}
        self._problems: dict[str, str] = {}  # of neighbours that can't be had
        self._read_neighbours()

    @property
    def root(self) -> Node:
        """The OpenAPI document itself."""
        return Node(documents=self, uri=self._uri, pointer="", value=self._read[self._uri])

    @property
    def resources(self) -> list[tuple[str, Any]]:
        """Every document that was read, with its URI."""
        return list(self._read.items())

    def missing(self, uri: str) -> str | None:
        """Why a document that is referred to can't be had; None if it can."""
        return self._problems.get(uri)

    def why_missing(self, text: str) -> str | None:
        """The same for a document whose URI stands in another library's message."""
        return next((why for uri, why in self._problems.items() if uri in text), None)

    def node(self, reference: str, seen_from: str) -> Node:
        """What a ``$ref`` means, followed further where it is a reference itself.

        Raises:
            DocumentProblem: it leads nowhere, or in a circle.
        """
        for _ in range(_MOST_REFERENCES):
            node = self._referred(reference, seen_from)
            if not node.is_reference:
                return node
            reference, seen_from = node.value["$ref"], node.uri
        raise DocumentProblem("", f"the reference {reference!r} leads in a circle")

    def _referred(self, reference: str, seen_from: str) -> Node:
        uri, fragment = _target(reference, seen_from)
        if uri not in self._read:
            raise DocumentProblem("", self.missing(uri) or f"the reference {reference!r} leads nowhere")
        value = self._read[uri]
        pointer = unquote(fragment)
        for step in pointer.split("/")[1:]:
            value = _child(value, step.replace("~1", "/").replace("~0", "~"))
            if value is _NOTHING:
                raise DocumentProblem("", f"the reference {reference!r} leads nowhere; add what it names")
        return Node(documents=self, uri=uri, pointer=pointer, value=value)

    def _rewritten(self, raw: Any) -> Any:
        try:
            return as_json_schema(raw, self._rewrite)
        except RecursionError:
            raise DocumentProblem("", "it is nested too deeply") from None

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
            self._read[uri] = self._rewritten(_read(_local_file(uri)))
        except DocumentProblem as error:
            # only counts where a route needs it
            self._problems[uri] = f"it refers to {uri}: {error.problem}"
            return False
        return True


@attrs.frozen(kw_only=True)
class Node:
    """A value in a document, and where it stands."""

    documents: Documents = attrs.field(repr=False)
    uri: str
    pointer: str  # RFC 6901
    value: Any = attrs.field(repr=False)

    @property
    def is_reference(self) -> bool:
        """Whether it only says where the value is."""
        return isinstance(self.value, dict) and isinstance(self.value.get("$ref"), str)

    @property
    def location(self) -> str:
        """Its URI with the pointer as fragment: what a schema's ``$ref`` to it reads."""
        return f"{self.uri}#{quote(self.pointer, safe=_KEPT)}"

    def get(self, key: str) -> Node | None:
        """What it holds under a key, references followed; None if there is nothing.

        Raises:
            DocumentProblem: a reference leads nowhere.
        """
        inner = self.at(key)
        return inner and inner._followed()

    def at(self, key: str) -> Node | None:
        """What it holds under a key as it stands there, though it may be a reference."""
        value = _child(self.value, key)
        if value is _NOTHING:
            return None
        step = key.replace("~", "~0").replace("/", "~1")
        return Node(documents=self.documents, uri=self.uri, pointer=f"{self.pointer}/{step}", value=value)

    def each(self) -> Iterator[tuple[str, Node]]:
        """Its entries, references followed; nothing where it is neither a mapping nor a list."""
        keys: list[str] = []
        if isinstance(self.value, dict):
            keys = list(self.value)
        elif isinstance(self.value, list):
            keys = [str(index) for index in range(len(self.value))]
        for key in keys:
            node = self.get(key)
            if node is not None:
                yield key, node

    def _followed(self) -> Node:
        return self.documents.node(self.value["$ref"], self.uri) if self.is_reference else self


_NOTHING = object()


def _child(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return value.get(key, _NOTHING)
    if isinstance(value, list) and key.isascii() and key.isdigit() and int(key) < len(value):
        return value[int(key)]
    return _NOTHING


def _target(reference: str, seen_from: str) -> tuple[str, str]:
    """The URI and the fragment that a ``$ref`` means."""
    try:
        uri, fragment = urldefrag(urljoin(seen_from, reference))
    except ValueError:
        return reference, ""  # no URI: there will be no such document
    return uri, fragment


def _references(value: Any) -> Iterator[str]:
    """Every ``$ref`` in a document."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            if isinstance(each.get("$ref"), str):
                yield each["$ref"]
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)


def _local_file(uri: str) -> Path:
    try:
        url = urlsplit(uri)
    except ValueError:
        raise DocumentProblem("", "that is no URI") from None
    if url.scheme != "file" or url.netloc:
        raise DocumentProblem("", "nothing is ever fetched; save it beside this file and refer to it there")
    return Path(url2pathname(url.path))


def _read(file: Path) -> Any:
    try:
        return read_yaml(file)
    except YamlProblem as error:
        raise DocumentProblem("", str(error)) from None


def _dialect(raw: Any) -> Rewrite:
    """How the schemas of a root document are to be rewritten."""
    if not isinstance(raw, dict):
        raise DocumentProblem("", "it is no OpenAPI document: expected a mapping with `openapi: 3.1.0`")
    if "openapi" not in raw:
        kind = "a Swagger 2 document; convert it to OpenAPI 3" if "swagger" in raw else "no OpenAPI document"
        raise DocumentProblem("openapi", f"it is missing: this is {kind}")
    version = str(raw["openapi"])
    for pattern, rewrite in _VERSIONS:
        if pattern.fullmatch(version):
            return rewrite
    raise DocumentProblem("openapi", f"version {version[:20]!r} is not supported; use 3.0.x or 3.1.x")
