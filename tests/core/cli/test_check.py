"""``sp00ky check``: what stops jobs, and which routes of a document can't be called."""

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_core.cli.check import unmet_security
from sp00ky_core.config import BackendConfig, Secret
from sp00ky_core.config.model import TlsConfig
from sp00ky_openapi import Operation
from sp00ky_openapi.operation import Scheme


def test_operations_are_shown_once_a_document_with_their_parts_and_what_they_need(
    migrated: Path, sp00ky: Any
) -> None:
    (migrated / "openapi.json").write_text("""
openapi: 3.1.0
info: {title: t, version: "1"}
components: {securitySchemes: {a: {type: apiKey, in: header, name: X-A}, b: {type: http, scheme: basic}}}
paths:
  /x/{id}:
    put:
      operationId: putX
      security: [{a: []}]
      parameters: [{in: query, name: q}, {in: query, name: r}, {in: header, name: Cookie}, {in: query}]
      requestBody: {content: {text/plain: {}, image/png: {}}}
    get: {security: [{b: []}], parameters: [{in: query, name: bad, schema: {type: nope}}]}
  /y: {get: {security: [{b: []}]}}
  /../z: {get: {}, put: {}}
""")
    with (migrated / "sp00ky.yml").open("a") as file:
        file.write("  twin: {spec: ./openapi.json, baseUrl: 'http://x.test', method: {table: twin}}\n")
    sp00ky("migrate")
    checked = sp00ky("check", "--verbose")
    parts = (
        "path: id; query: q, r; body: text/plain, image/png; not sent: header Cookie, query (without a name)"
    )
    reason = "its body, text/plain, isn't an object"
    assert f"api, twin: PUT /x/{{id}} (putX): explicit form ({reason}); {parts}" in checked.out.splitlines()
    assert "3 of 5 operations in openapi.json can't be called" in checked.out
    assert "1 operation needs `auth: {type: apiKey, in: header, name: X-A}`: PUT /x/{id}; " in checked.out
    fixes = [line.rpartition("`auth` and another table")[2] for line in checked.out.splitlines()]
    assert [fixes.count(added) for added in (", unless `headers` or a plugin adds it", "")] == [2, 2]


def test_an_operation_id_that_names_nothing_is_not_listed(migrated: Path, sp00ky: Any) -> None:
    paths = {"/a": {"post": {"operationId": "same"}}, "/b": {"put": {"operationId": "same"}}}
    (migrated / "openapi.json").write_text(json.dumps({"openapi": "3.1.0", "paths": paths}))
    listed = sp00ky("check", "--verbose").out.splitlines()
    assert {"api: POST /a: flat form", "api: PUT /b: flat form"} <= {*listed}


def test_a_document_that_describes_no_path_is_a_warning(migrated: Path, sp00ky: Any) -> None:
    (migrated / "openapi.json").write_text('{"openapi": "3.1.0", "paths": {}}')
    (finding,) = sp00ky("check", "--json").json["findings"]
    assert (finding["severity"], finding["subject"]) == ("warning", "backend api")
    assert finding["problem"] == "openapi.json describes no path"


def test_a_backend_of_a_pool_is_enqueued_to_and_left_to_others(project: Path, sp00ky: Any) -> None:
    """So is one that shares its table, for a claim takes what is there."""
    (project / "other.json").write_text('{"openapi": "3.1.0", "paths": {"/other": {"post": {}}}}')
    with (project / "sp00ky.yml").open("a") as file:
        file.write("  gpu: {spec: ./openapi.json, method: {table: gpu_job}, runOn: {pool: render}}\n")
        file.write("  cpu: {spec: ./other.json, baseUrl: 'http://x', method: {table: gpu_job}}\n")
    sp00ky("migrate")
    findings = sp00ky("check", "--json").json["findings"]
    assert [finding["subject"] for finding in findings] == ["backend gpu", "backend cpu"]
    sp00ky("call", "api", "/json")
    sp00ky("call", "gpu", "/json")
    ran = sp00ky("run", "--until-empty")
    lines = [line for line in ran.err.splitlines() if "on a pool of machines" in line]
    assert (ran.code, len(lines)) == (0, 2)
    jobs = sp00ky("jobs", "list", "--json").json["jobs"]
    assert {job["backend"]: job["status"] for job in jobs} == {"api": "success", "gpu": "pending"}
    assert "remove `runOn`" in sp00ky("run", "--until-empty", "--backend", "gpu").complaint(2)


NONE = BackendConfig(name="api", spec=Path("openapi.yml"), base_url="http://x.test")
BEARER = attrs.evolve(NONE, token_file=Path("token"))
BASIC = attrs.evolve(NONE, auth="basic", username=Secret("u"), password=Secret("p"))
KEY = attrs.evolve(NONE, auth="apiKey", auth_name="X-Key", token=Secret("t"))
HEADERS = attrs.evolve(NONE, headers={"x-OTHER": Secret("k")})
BOT = attrs.evolve(KEY, auth_name="Authorization", auth_prefix="Bot ")
TLS = attrs.evolve(NONE, tls=TlsConfig(cert=Path("client.pem")))


@pytest.mark.parametrize(
    ("scheme", "meets", "wanted"),
    [
        ({"type": "http"}, BEARER, "{type: bearer}"),
        ({"type": "basic"}, BASIC, "{type: basic}"),
        ({"type": "oauth2"}, BEARER, "{type: bearer}, with a tokenFile"),
        ({"type": "openIdConnect"}, BEARER, "{type: bearer}"),
        ({"type": "mutualTLS"}, TLS, "tls.cert"),
        (
            {"type": "apiKey", "place": "header", "key": "x-key"},
            KEY,
            "{type: apiKey, in: header, name: x-key}",
        ),
        (
            {"type": "apiKey", "place": "header", "key": "X-Other"},
            HEADERS,
            "{type: apiKey, in: header, name: X-Other}",
        ),
        ({"type": "apiKey", "place": "query", "key": "k"}, None, "{type: apiKey, in: query, name: k}"),
    ],
)
def test_a_scheme_is_met_by_its_own_auth(scheme: Any, meets: BackendConfig | None, wanted: str) -> None:
    operation = Operation(path="/x", security=((Scheme(**scheme),),))
    for backend in (NONE, BEARER, BASIC, KEY, HEADERS, BOT, TLS):
        assert unmet_security(operation, backend) == (None if backend is meets else wanted)
