"""Load a Contract from an OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from sp00ky_openapi.documents import DocumentProblem, Documents
from sp00ky_openapi.operation import Body, Operation
from sp00ky_openapi.paths import OptionsOf, PathItem, Sources, no_options, path_items
from sp00ky_openapi.safety import MAX_PATH_LENGTH, spelling_problem
from sp00ky_openapi.schema import Schemas
from sp00ky_openapi.violations import Violation

if TYPE_CHECKING:  # who checks no payload doesn't load the validator
    from sp00ky_openapi.payload import PayloadCheck

NO_FILE = Path("openapi.json")
"""Stands for the file of a document that is in none; what it refers to isn't read."""

NOTHING_CONFIGURED: Sources = MappingProxyType({})


@attrs.define(kw_only=True, eq=False)
class DocumentError(ValueError):
    """A document that is missing, unreadable, or neither OpenAPI 3 nor Swagger 2.0.

    Attributes:
        file: The document's file.
        key: The dotted key; empty where the whole document is meant.
        problem: What is wrong, in words.
    """

    file: str
    key: str
    problem: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.key, self.problem) if part)


class Operations:
    """What a document describes.

    Attributes:
        usable: the operations by name, without those that are known to be unusable.
        unusable: the operations, or whole paths, that can't be called, by name, and why.
        unclear: texts that name no one operation, and why.
        names: the name of an operation, by each text that spells it.
        schemas: the document's.
        digest: changes with the document: what runners say to each other of it.
        base_path: Swagger's ``basePath``, which its paths are meant to be below; it isn't sent.
    """

    def __init__(
        self, items: Iterable[PathItem], schemas: Schemas, digest: str = "", base_path: str = ""
    ) -> None:
        self.schemas = schemas
        self.digest = digest
        self.base_path = base_path
        self.usable: dict[str, Operation] = {}
        self.unusable: dict[str, str] = {}
        self.unclear: dict[str, str] = {}
        self.names: dict[str, str] = {}
        named: dict[str, list[str]] = {}
        for item in items:
            self._add(item)
            for method, operation_id in item.ids.items():
                long_name = f"{method} {item.path}"
                named.setdefault(operation_id, []).append(self.names.get(long_name, long_name))
        self._add_operation_ids(named)

    def _add(self, item: PathItem) -> None:
        if item.problem and not item.operations:
            self.names[item.path] = item.path
            self.unusable[item.path] = item.problem
        short = item.short
        for method, operation in item.operations.items():
            long_name = f"{method} {item.path}"
            name = item.path if method == short else long_name
            self.names |= {name: name, long_name: name}
            if isinstance(operation, str):
                self.unusable[name] = operation
            else:
                spellings = tuple(dict.fromkeys((name, long_name)))
                self.usable[name] = attrs.evolve(
                    operation, name=name, spellings=spellings, operation_id=item.ids.get(method)
                )
        if short is None and item.operations:
            listed = ", ".join(repr(f"{method} {item.path}") for method in item.operations)
            methods = ", ".join(item.operations).lower()
            unclear = f"it has {methods} and no post; name one: {listed}"
            self.unclear[item.path] = item.problem or unclear

    def _add_operation_ids(self, named: Mapping[str, Sequence[str]]) -> None:
        """Let operations be named by their ids, unless such a text names something else, or is another's."""
        for operation_id, names in named.items():
            # every database can hold what is a name, and a line of a log show it
            is_a_name = len(operation_id) <= MAX_PATH_LENGTH and operation_id.isprintable()
            if operation_id in self.names or operation_id in self.unclear or not is_a_name:
                continue
            if len(names) > 1:
                listed = ", ".join(map(repr, names))
                self.unclear[operation_id] = f"several operations have that operationId; name one: {listed}"
                continue
            self.names[operation_id] = names[0]
            if operation := self.usable.get(names[0]):
                spellings = (*operation.spellings, operation_id)
                self.usable[names[0]] = attrs.evolve(operation, spellings=spellings)


class Contract:
    """A backend's operations. The schemas of each are compiled when it is first used."""

    def __init__(self, document: Operations | Callable[[], Operations]) -> None:
        """Take what a document describes, or what reads that when something of it is first asked for."""
        self._read = document
        self._checks: dict[str, PayloadCheck] = {}  # by spelling

    @property
    def document(self) -> Operations:
        """What the backend's document describes."""
        if callable(self._read):
            self._read = self._read()
        return self._read

    @property
    def is_read(self) -> bool:
        """Whether asking it runs nothing: an application's own is read when it is first asked."""
        return not callable(self._read)

    @property
    def operations(self) -> Mapping[str, Operation]:
        """See ``Operations.usable``."""
        return self.document.usable

    @property
    def unusable(self) -> Mapping[str, str]:
        """See ``Operations.unusable``."""
        return self.document.unusable

    def has(self, text: str) -> bool:
        """Tell whether the document has an operation of that spelling, though maybe an unusable one."""
        return text in self.document.names or text in self.document.unclear

    def name(self, text: str) -> str:
        """Return the name of the operation that a text spells; the text where none is known, or none yet."""
        return self.document.names.get(text, text) if self.is_read else text

    def spellings(self, text: str) -> tuple[str, ...]:
        """Return every text that names the operation of a spelling; the text alone, as ``name`` does."""
        operation = self.operations.get(self.name(text)) if self.is_read else None
        return operation.spellings if operation else (text,)

    def texts(self) -> tuple[str, ...]:
        """Return every text that names an operation that can be called; it isn't read for that."""
        operations = self.operations.values() if self.is_read else ()
        return tuple(text for operation in operations for text in operation.spellings)

    def near(self, text: str) -> tuple[str, ...]:
        """Return the texts among which one may be near that names nothing."""
        return self.texts()

    def why_not(self, text: str) -> str:
        """Say why no job can be sent to what a text spells; empty where the document has no such thing."""
        return self.unusable.get(self.name(text)) or self.document.unclear.get(text, "")

    @property
    def operation_ids(self) -> list[str]:
        """Return the ``operationId``s that name an operation."""
        held = ((operation.operation_id, operation.spellings) for operation in self.operations.values())
        return [operation_id for operation_id, spellings in held if operation_id in spellings]

    def forget(self, operation_id: str, reason: str) -> None:
        """Let an ``operationId`` name nothing, for the reason given."""
        name = self.document.names.pop(operation_id)
        self.document.unclear[operation_id] = reason
        operation = self.operations[name]
        spellings = tuple(text for text in operation.spellings if text != operation_id)
        self.document.usable[name] = attrs.evolve(operation, spellings=spellings)
        self._checks.pop(name, None)

    def operation(self, text: str) -> Operation | None:
        """Return the operation of a spelling; None if there is none, or ``why_not`` says why not."""
        check = self.check(text)
        return check.operation if check else None

    def check(self, text: str) -> PayloadCheck | None:
        """Return the check of an operation's payloads; None where ``operation`` returns that."""
        return self._checks.get(text) or self._check(text)

    def violations(self, text: str, payload: Mapping[str, Any]) -> list[Violation]:
        """List every way in which a payload breaks the contract of an operation; values are not quoted.

        Raises:
            KeyError: the document has no such operation.
        """
        check = self.check(text)
        if check is not None:
            return check.violations(payload)
        if reason := self.why_not(text):
            return [Violation(pointer="", message=reason)]
        raise KeyError(text)

    def compile(self) -> None:
        """Compile what isn't yet, so that ``unusable`` is complete; takes a moment with large documents."""
        from sp00ky_openapi.payload import compiled  # noqa: PLC0415  # see above

        pending = [name for name in self.operations if name not in self._checks]
        operations = [self.operations[name] for name in pending]
        try:
            # much quicker than one by one
            compiled([(operation, operation.body) for operation in operations], self.document.schemas)
        except DocumentProblem:
            for name in pending:
                self._check(name)

    def _check(self, text: str) -> PayloadCheck | None:
        name = self.document.names.get(text, text)
        operation = self.operations.get(name)
        if operation is None:
            return None
        try:
            check = self._checks.get(name) or self._made(operation)
        except DocumentProblem as error:
            self.document.unusable[name] = error.problem
            del self.document.usable[name]
            return None
        self._checks[name] = check
        self._checks[text] = check
        return check

    def _made(self, operation: Operation) -> PayloadCheck:
        from sp00ky_openapi.payload import PayloadCheck  # noqa: PLC0415  # see above

        return PayloadCheck(operation, self.document.schemas)


class OpenContract(Contract):
    """The contract of a transport that has none: any path that is safe, and any JSON object.

    It lists no operations. ``unlisted`` returns all routes that there are, where a path is none of them.
    """

    def __init__(self, unlisted: Callable[[str], Sequence[str]] = lambda _: ()) -> None:
        super().__init__(Operations((), Schemas(reads_beside_references=True), "none"))
        self._unlisted = unlisted

    def has(self, text: str) -> bool:
        """Whether a text may be a path."""
        return spelling_problem(text) is None and "?" not in text and not self._unlisted(text)

    def near(self, text: str) -> tuple[str, ...]:
        """Return the routes that there are, where a text is none of them."""
        return tuple(self._unlisted(text))

    def _check(self, text: str) -> PayloadCheck | None:
        if not self.has(text):
            return None
        operation = Operation(path=text, bodies=(Body(),))
        return self._made(operation)  # not kept: paths are many


def load_contract(
    file: Path | str, *, ref_roots: Sequence[Path] = (), configured: Sources = NOTHING_CONFIGURED
) -> Contract:
    """Read a document, as ``load_operations`` does."""
    return Contract(load_operations(Path(file), ref_roots=ref_roots, configured=configured))


def load_operations(
    file: Path = NO_FILE,
    *,
    ref_roots: Sequence[Path] = (),
    document: Mapping[str, Any] | None = None,
    configured: Sources = NOTHING_CONFIGURED,
    options_of: OptionsOf = no_options,
) -> Operations:
    """Read an OpenAPI document (YAML or JSON, 3.0 to 3.2, or Swagger 2.0) and what it refers to.

    Args:
        file: Where it is; what it refers to is found from there.
        ref_roots: Further folders that it may refer to files in.
        document: The document itself, where it is in no file.
        configured: What fills parameters that no payload fills.
        options_of: Reads further keys of an operation; a ``ValueError`` makes the operation unusable.

    Raises:
        DocumentError: the document, the key, and what is wrong.
    """
    try:
        documents = Documents(file, ref_roots, root=document)
        schemas = Schemas(reads_beside_references=documents.minor > 0)
        items = path_items(documents, configured, options_of)
        base_path = documents.root.value.get("basePath", "") if documents.is_swagger else ""
        return Operations(items, schemas, documents.digest, str(base_path).rstrip("/"))
    except DocumentProblem as error:
        raise DocumentError(file=str(file), key=error.key, problem=error.problem) from None
