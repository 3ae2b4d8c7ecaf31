"""From a backend's OpenAPI document to its Contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sp00ky_core.contract.documents import DocumentProblem, Documents
from sp00ky_core.contract.payload import PayloadCheck, PayloadSchemas, compiled, described
from sp00ky_core.contract.routes import Route, RouteParts, described_routes
from sp00ky_core.contract.schema import Schemas
from sp00ky_core.errors import ContractError, Violation

if TYPE_CHECKING:  # the configuration checks paths by this package
    from sp00ky_core.config.settings import BackendConfig

__all__ = ["Contract", "load_contract"]


class Contract:
    """A backend's routes. The schema of each is compiled when it is first used.

    Attributes:
        routes: by path, exactly as the document has it; without those that are known to be unusable.
        unusable: the paths of the document that can't be called, and why.
        digest: changes with the document: what runners say to each other of it.
    """

    def __init__(
        self, described: Iterable[tuple[str, RouteParts | str]], schemas: Schemas, digest: str = ""
    ) -> None:
        self.digest = digest
        self._schemas = schemas
        self._parts: dict[str, RouteParts] = {}
        self._checks: dict[str, PayloadCheck] = {}
        self.unusable: dict[str, str] = {}
        for path, found in described:
            if isinstance(found, str):
                self.unusable[path] = found
            else:
                self._parts[path] = found
        self.routes: dict[str, Route] = {path: parts.route for path, parts in self._parts.items()}

    def route(self, path: str) -> Route | None:
        """Return the route of a path; None if there is none, or if ``unusable`` says why it can't be used."""
        check = self.check(path)
        return check.route if check else None

    def check(self, path: str) -> PayloadCheck | None:
        """Return the check of a route's payloads; None where ``route`` returns that."""
        return self._checks.get(path) or self._check(path)

    def violations(self, path: str, payload: Mapping[str, Any]) -> list[Violation]:
        """Every way in which a payload breaks the contract of a route; values are not quoted.

        Raises:
            KeyError: the document has no such path.
        """
        check = self.check(path)
        if check is None:
            return [Violation(pointer="", message=self.unusable[path])]
        return check.violations(payload)

    def compile(self) -> None:
        """Compile what isn't yet, so that ``unusable`` is complete; takes a moment with large documents."""
        pending = [path for path in self._parts if path not in self._checks]
        try:
            compiled([self._parts[path] for path in pending], self._schemas)  # much quicker than one by one
        except DocumentProblem:
            for path in pending:
                self._check(path)

    def payload_schemas(self) -> PayloadSchemas:
        """Describe the payloads of all routes that can be used."""
        self.compile()
        return described(self._parts.values(), self._schemas)

    def _check(self, path: str) -> PayloadCheck | None:
        parts = self._parts.get(path)
        if parts is None:
            return None
        try:
            check = PayloadCheck(parts, compiled([parts], self._schemas))
        except DocumentProblem as error:
            self.unusable[path] = error.problem
            del self._parts[path], self.routes[path]
            return None
        self._checks[path] = check
        return check


def load_contract(backend: BackendConfig, *, ref_roots: Sequence[Path] = ()) -> Contract:
    """Read a backend's OpenAPI document (YAML or JSON, 3.0 to 3.2) and the files that it refers to.

    Raises:
        ContractError: the document, the key, and what to do.
    """
    try:
        documents = Documents(backend.spec, ref_roots)
        schemas = Schemas(reads_beside_references=documents.minor > 0)
        return Contract(described_routes(documents), schemas, documents.digest)
    except DocumentProblem as error:
        problem = error.problem + _hint(backend.spec, backend.name)
        raise ContractError(file=str(backend.spec), key=error.key, problem=problem) from None


def _hint(spec: Path, name: str) -> str:
    hint = f"; write one there, or fix `spec` of the backend {name!r} in sp00ky.yml"
    return "" if spec.is_file() else hint
