"""Describe an operation: its names, and where each part of its payload goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import attrs

if TYPE_CHECKING:
    from sp00ky_openapi.documents import Node

__all__ = ["LOOSE", "PLACES", "RESERVED", "UNDECLARED", "UNKNOWN", "USE_EXPLICIT", "Body", "Encoding"]
__all__ += ["Operation", "Parameter", "Place", "Scheme", "is_explicit"]

Place = Literal["path", "query", "header", "cookie"]
"""Where a parameter stands."""
Format = Literal["json", "form", "multipart", "text", "binary"]

PLACES: tuple[Place, ...] = ("path", "query", "header", "cookie")
"""Each of them."""

RESERVED = frozenset({*(f"${place}" for place in PLACES), "$body", "$contentType"})
"""The names that make a payload one of the explicit form."""

UNDECLARED = "the operation declares no such parameter"
"""Begins the message of a violation by a parameter that is none."""

USE_EXPLICIT = "use the explicit form"
"""Begins the message of a violation by a payload that the flat form doesn't say clearly."""

LOOSE = "nothing may stand beside $path, $query, $header, $cookie, $body and $contentType"
"""The message of a violation by a property beside the explicit form's."""

UNKNOWN = "unknown property"
"""Begins the message of a violation by a property that the schema doesn't allow."""

_STYLES: Mapping[Place, str] = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}


@attrs.frozen(kw_only=True)
class Parameter:
    """Describe what a request holds beside its body, under a name.

    Attributes:
        place: Where it is sent.
        name: Its name, there and in payloads.
        required: Whether no request is right without it.
        style: How lists and objects are written, as OpenAPI names it; ``tabDelimited`` is Swagger's ``tsv``.
        explode: Whether each item, or each property, is written on its own.
        allow_reserved: Whether characters that separate the parts of a URL stay as they are.
        content_type: It is written as this media type instead of in a style.
        schema: Of its value; None: anything.
    """

    place: Place
    name: str
    required: bool = False
    style: str = attrs.field()
    explode: bool = attrs.field()
    allow_reserved: bool = False
    content_type: str | None = None
    schema: Node | None = attrs.field(default=None, eq=False, repr=False)

    @style.default
    def _style(self) -> str:
        return _STYLES[self.place]

    @explode.default
    def _explode(self) -> bool:
        return self.style in ("form", "deepObject")


@attrs.frozen(kw_only=True)
class Encoding:
    """Say how one property of a form is written.

    Attributes:
        content_types: Media types or ranges that its part may have; empty: what fits its value.
        style: As a query parameter's; None: by its content type.
        explode: Likewise.
        allow_reserved: Likewise.
    """

    content_types: tuple[str, ...] = ()
    style: str | None = None
    explode: bool = True
    allow_reserved: bool = False


@attrs.frozen(kw_only=True)
class Body:
    """One of the bodies that an operation takes.

    Attributes:
        media_type: As the document names it; may be a range, such as ``image/*``.
        content_type: What is sent where a job names none; None: the job must.
        format: How a value is written as bytes.
        schema: Of its value; None: anything.
        files: Properties of a form that are bytes, and base64 in a payload.
        encoded: Properties of a form that are base64 in a request, too.
        encodings: How properties of a form are written, by name.
    """

    media_type: str = "application/json"
    content_type: str | None = attrs.field()
    format: Format = "json"
    schema: Node | None = attrs.field(default=None, eq=False, repr=False)
    files: frozenset[str] = frozenset()
    encoded: frozenset[str] = frozenset()
    encodings: Mapping[str, Encoding] = attrs.field(factory=dict, hash=False)

    @content_type.default
    def _content_type(self) -> str | None:
        return self.media_type

    @property
    def has_fields(self) -> bool:
        """Tell whether its value may be an object, by the format that it is written in."""
        return self.format in ("json", "form", "multipart")


@attrs.frozen(kw_only=True)
class Scheme:
    """A security scheme that requests of an operation are to meet.

    Attributes:
        type: ``basic``, ``http`` of another scheme, ``apiKey``, ``oauth2``, ``openIdConnect``, ``mutualTLS``.
        place: Where the key of ``apiKey`` goes.
        key: Its name there.
    """

    type: str
    place: str = ""
    key: str = ""


@attrs.frozen(kw_only=True)
class Operation:
    """One operation of a document.

    Attributes:
        path: The key in the document, without a query that is a part of it.
        query: That query, which each request has.
        method: Upper case.
        operation_id: What the document calls it; None: nothing that is a text.
        name: What jobs are stored with: the path for POST and for a path's only method, else both.
        spellings: Every text that names it; the name is the first.
        parameters: In the document's order, those of the path first.
        bodies: The best first; empty: it has none.
        needs_body: Whether no request is right without one.
        form: ``explicit`` where no flat payload could say what goes where.
        reason: Why that is so.
        own: Parameters that the flat form's body doesn't hold: its schema doesn't know them.
        configured: Places and names of parameters that no payload fills, and what does: the backend's
            ``auth`` or ``headers``, or the query.
        withheld: Places and names of others that no payload fills; an empty name: one that has none.
        declares_reserved: Whether a name of its own would be taken for the explicit form.
        security: Alternatives, all of whose schemes a request meets; empty: none is needed.
        responses: The schemas of its results, by status (``201``, ``2XX``); None: anything, or none.
        max_retries: Of a job that doesn't say how many itself; None: the backend's.
        timeout: Seconds for an attempt of a job that names none; None: the backend's.
    """

    path: str
    query: str = ""
    method: str = "POST"
    operation_id: str | None = None
    name: str = attrs.field()
    spellings: tuple[str, ...] = attrs.field()
    parameters: tuple[Parameter, ...] = ()
    bodies: tuple[Body, ...] = ()
    needs_body: bool = False
    form: Literal["flat", "explicit"] = "flat"
    reason: str = ""
    own: frozenset[str] = attrs.field()
    configured: Mapping[tuple[str, str], str] = attrs.field(factory=dict, hash=False)
    withheld: frozenset[tuple[str, str]] = frozenset()
    declares_reserved: bool = False
    security: tuple[tuple[Scheme, ...], ...] = ()
    responses: Mapping[str, Node | None] = attrs.field(factory=dict, eq=False, repr=False)
    max_retries: int | None = None
    timeout: float | None = None

    @name.default
    def _name(self) -> str:
        return self.key if self.method == "POST" else self.long_name

    @spellings.default
    def _spellings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.name, self.long_name)))

    @own.default
    def _own(self) -> frozenset[str]:
        return frozenset(parameter.name for parameter in self.parameters)

    @property
    def key(self) -> str:
        """The operation's path, exactly as the document has it."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def long_name(self) -> str:
        """The operation's method and path."""
        return f"{self.method} {self.key}"

    def at(self, place: str) -> list[Parameter]:
        """Return the parameters of a place."""
        return [parameter for parameter in self.parameters if parameter.place == place]

    @property
    def body(self) -> Body | None:
        """The body of a job that names no media type."""
        return self.bodies[0] if self.bodies else None

    @property
    def is_plain(self) -> bool:
        """Tell whether a flat payload is sent as it is: as JSON, and with no parameters."""
        has_json = self.body is not None and self.body.format == "json"
        return has_json and self.form == "flat" and not (self.parameters or self.own or self.configured)

    @property
    def has_result(self) -> bool:
        """Tell whether its answers have a body that could be one."""
        return self.method not in ("HEAD", "OPTIONS")


def is_explicit(operation: Operation, payload: Mapping[str, Any]) -> bool:
    """Tell whether a payload says itself what is what; an operation's own names go first."""
    return operation.form == "explicit" or (
        not RESERVED.isdisjoint(payload) and not operation.declares_reserved
    )
