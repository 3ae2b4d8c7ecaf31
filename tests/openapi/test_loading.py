"""Whatever a document holds, it is read or refused by an error of our own; so is each of its routes."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sp00ky_openapi import Contract, DocumentError, load_contract
from sp00ky_openapi.yaml_text import YamlProblem, parse_yaml

WORDS = (
    *(
        "$ref",
        "$defs",
        "$anchor",
        "$id",
        "$dynamicRef",
        "type",
        "enum",
        "const",
        "properties",
        "items",
        "required",
    ),
    *("allOf", "anyOf", "oneOf", "not", "if", "then", "discriminator", "propertyName", "mapping", "nullable"),
    *("additionalProperties", "unevaluatedProperties", "minimum", "exclusiveMinimum", "maximum", "pattern"),
    *("format", "readOnly", "prefixItems", "dependentSchemas", "a", "b"),
)
TEXTS = st.sampled_from(
    [
        *(
            "#",
            "#/",
            "#/components/schemas/A",
            "#/components/schemas/B",
            "#/x/0",
            "#a",
            "x.yml#/a",
            "#/paths/~1x",
        ),
        *("A", "B", "string", "object", "integer", "int32", "a", "[", "http://[", "uuid", ""),
    ]
) | st.text(max_size=5)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)


SCHEMAS = st.recursive(SCALARS, _containers, max_leaves=12)
OPERATIONS = st.fixed_dictionaries(
    {},
    optional={
        "requestBody": SCHEMAS
        | st.fixed_dictionaries(
            {
                "content": st.fixed_dictionaries(
                    {"application/json": st.fixed_dictionaries({"schema": SCHEMAS})}
                )
            }
        ),
        "parameters": st.lists(
            SCHEMAS
            | st.fixed_dictionaries(
                {"name": TEXTS, "in": st.sampled_from(["query", "header", "path", "cookie"])},
                optional={"schema": SCHEMAS, "required": SCALARS, "content": SCHEMAS},
            ),
            max_size=3,
        )
        | SCHEMAS,
    },
)
METHODS = st.sampled_from(["post", "get", "delete", "head", "parameters", "$ref"])
ITEMS = st.dictionaries(METHODS, OPERATIONS | SCHEMAS, max_size=2) | SCHEMAS
DOCUMENTS = st.fixed_dictionaries(
    {
        "openapi": st.sampled_from(["3.0.0", "3.1.0"]),
        "paths": st.dictionaries(st.sampled_from(["/x", "/x/{a}", "/", "x", "$ref"]), ITEMS, max_size=3),
        "components": st.fixed_dictionaries({"schemas": st.fixed_dictionaries({"A": SCHEMAS, "B": SCHEMAS})}),
    },
    optional={"x": SCHEMAS},
)


def refusal(call: Callable[[], Any]) -> str:
    """What is said against it; nothing if it is taken. Another error than ours fails the test."""
    try:
        call()
    except (DocumentError, YamlProblem) as error:
        return str(error)
    return ""


def load(text: str) -> Contract | None:
    loaded: list[Contract] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "openapi.yml"
        file.write_bytes(text.encode(errors="surrogatepass"))
        said = refusal(lambda: loaded.append(load_contract(file)))
        assert "\n" not in said
        assert bool(said) != bool(loaded)
    return loaded[0] if loaded else None


@given(document=DOCUMENTS, payload=st.dictionaries(st.sampled_from("ab"), SCHEMAS))
def test_any_document_is_read_and_its_routes_are_usable_or_say_why(
    document: dict[str, Any], payload: dict[str, Any]
) -> None:
    contract = load(json.dumps(document))
    if contract is not None:
        paths = {*contract.operations, *contract.unusable}
        for path in paths:
            assert (contract.operation(path) is None) == (path in contract.unusable)
            contract.violations(path, payload)
        contract.compile()
        assert {*contract.operations, *contract.unusable} == paths
        assert not any("\n" in why for why in contract.unusable.values())


@given(document=st.recursive(SCALARS, _containers, max_leaves=20))
def test_any_json_is_read_or_refused(document: Any) -> None:
    load(json.dumps(document))


YAML = st.lists(
    st.sampled_from(
        [
            *(
                "a",
                "b: ",
                "&x ",
                "*x",
                "&y ",
                "*y",
                "<<: ",
                "[",
                "]",
                "{",
                "}",
                ", ",
                "\n",
                "\n  ",
                "- ",
                "? ",
                ": ",
            ),
            *(
                "!!int ",
                "!!str ",
                "!foo ",
                "1",
                "0o9",
                "0x",
                ".inf",
                "null",
                "'",
                '"',
                "|\n",
                "--- ",
                "...",
                "#",
                "%",
                "\t",
            ),
        ]
    ),
    max_size=25,
).map("".join)


@given(text=YAML)
def test_any_yaml_is_read_or_refused(text: str) -> None:
    assert "\n" not in refusal(lambda: parse_yaml(text))
    assert "\n" not in refusal(lambda: parse_yaml(text, text_keys=True))


NAMED = {
    "openapi": "3.1.0",
    "paths": {
        "/orders": {"get": {"operationId": "list"}, "post": {"operationId": "/orders/{id}"}, "trace": {}},
        "/orders/{id}": {
            "get": {"operationId": "get order"},
            "put": {"operationId": "GET /orders"},
            "delete": {"operationId": "twice"},
        },
        "/only": {"patch": {"operationId": "patch"}, "head": {"operationId": "twice"}},
        "/files/{id}#add-link": {"put": {"operationId": "link"}},
        "/bad?": {"put": {"operationId": "bad"}},
    },
}


def test_an_operation_has_three_spellings_that_are_looked_up_whole() -> None:
    contract = load(json.dumps(NAMED))
    assert contract is not None
    assert {name: operation.spellings for name, operation in contract.operations.items()} == {
        "/orders": ("/orders", "POST /orders"),
        "GET /orders": ("GET /orders", "list"),
        "GET /orders/{id}": ("GET /orders/{id}", "get order"),
        "PUT /orders/{id}": ("PUT /orders/{id}",),
        "DELETE /orders/{id}": ("DELETE /orders/{id}",),
        "/only": ("/only", "PATCH /only", "patch"),
        "HEAD /only": ("HEAD /only",),
        "/files/{id}#add-link": ("/files/{id}#add-link", "PUT /files/{id}#add-link", "link"),
    }
    for text in ("/bad?", "PUT /bad?", "bad"):
        assert (contract.operation(text), "'?'" in contract.why_not(text)) == (None, True)
    for name, operation in contract.operations.items():
        for text in operation.spellings:
            assert (contract.name(text), contract.spellings(text)) == (name, operation.spellings)
            assert contract.operation(text) is operation
    for text, named in {
        "/orders/{id}": ("'GET /orders/{id}'", "'PUT /orders/{id}'", "'DELETE /orders/{id}'"),
        "twice": ("'DELETE /orders/{id}'", "'HEAD /only'"),
    }.items():
        assert contract.operation(text) is None
        assert all(name in contract.why_not(text) for name in named)
        assert (contract.name(text), contract.spellings(text)) == (text, (text,))
    for text in ("get /orders", "GET  /orders", "TRACE /orders", "/orders/", "", "LIST"):
        assert (contract.has(text), contract.operation(text), contract.why_not(text)) == (False, None, "")
