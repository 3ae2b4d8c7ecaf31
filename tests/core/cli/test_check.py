"""``sp00ky check``: what stops jobs, and which routes of a document can't be called."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def partly(migrated: Path) -> Path:
    """A project whose document has two unusable paths."""
    document = json.loads((migrated / "openapi.json").read_text())
    body = {"content": {"application/json": {"schema": {"type": "any"}}}}
    key = {"in": "cookie", "name": "a b", "required": True}
    document["paths"] |= {
        "/items/{id}": {"get": {"parameters": [key]}},
        "/odd": {"post": {"requestBody": body}},
    }
    (migrated / "openapi.json").write_text(json.dumps(document))
    return migrated


def test_check_verbose_lists_them(partly: Path, sp00ky: Any) -> None:
    checked = sp00ky("check", "--verbose", "--json")
    assert checked.code == 0
    _, *listed = checked.json["findings"]
    assert [finding["subject"] for finding in listed] == ["backend api, /items/{id}", "backend api, /odd"]
    assert "the cookie 'a b'" in listed[0]["problem"]
    assert "its schema can't be used" in listed[1]["problem"]
    operations = checked.json["operations"]
    assert {(each["backend"], each["method"], each["form"]) for each in operations} == {
        ("api", "POST", "flat")
    }
    lines = sp00ky("check", "--verbose").out.splitlines()
    assert len(lines) == 3 + len(operations)
    assert lines[-1] == f"api: POST {operations[-1]['path']}: flat form; body: application/json"


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
      parameters: [{in: query, name: q}, {in: query, name: r}]
      requestBody: {content: {text/plain: {}, image/png: {}}}
    get: {security: [{b: []}], parameters: [{in: query, name: bad, schema: {type: nope}}]}
  /y: {get: {security: [{b: []}]}}
""")
    with (migrated / "sp00ky.yml").open("a") as file:
        file.write("  twin: {spec: ./openapi.json, baseUrl: 'http://x.test', method: {table: twin}}\n")
    sp00ky("migrate")
    checked = sp00ky("check", "--verbose")
    parts = "path: id; query: q, r; body: text/plain, image/png"
    reason = "its body, text/plain, isn't an object"
    assert f"api, twin: PUT /x/{{id}} (putX): explicit form ({reason}); {parts}" in checked.out.splitlines()
    assert checked.out.count("can't be called") == 1
    assert "1 operation needs `auth: {type: apiKey, in: header, name: X-A}`: PUT /x/{id}; " in checked.out
    assert checked.out.count("others need another: call these by a backend of their own") == 4


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
    assert [each["subject"] for each in findings] == ["backend gpu", "backend cpu"]
    sp00ky("call", "api", "/json")
    sp00ky("call", "gpu", "/json")
    ran = sp00ky("run", "--until-empty")
    lines = [line for line in ran.err.splitlines() if "on a pool of machines" in line]
    assert (ran.code, len(lines)) == (0, 2)
    jobs = sp00ky("jobs", "list", "--json").json["jobs"]
    assert {job["backend"]: job["status"] for job in jobs} == {"api": "success", "gpu": "pending"}
    assert "remove `runOn`" in sp00ky("run", "--until-empty", "--backend", "gpu").complaint(2)


def test_check_says_what_stops_jobs_and_how_to_mend_it(project: Path, sp00ky: Any) -> None:
    checked = sp00ky("check", "--json")
    assert checked.code == 1
    assert list(checked.json) == ["findings"]
    finding = checked.json["findings"][0]
    assert list(finding) == ["severity", "subject", "problem", "consequence", "fix"]
    assert finding["severity"] == "error"
    assert "sp00ky migrate" in finding["fix"]
    lines = sp00ky("check").out.splitlines()
    assert len(lines) == len(checked.json["findings"])
    assert all("consequence: " in line and "fix: " in line for line in lines)


def test_jobs_that_wait_for_a_path_that_gained_a_post_are_named(migrated: Path, sp00ky: Any) -> None:
    file = migrated / "openapi.json"
    file.write_text(json.dumps({"openapi": "3.1.0", "paths": {"/orders": {"put": {}}}}))
    sp00ky("call", "api", "PUT /orders")
    subjects = [finding["subject"] for finding in sp00ky("check", "--json").json["findings"]]
    file.write_text(json.dumps({"openapi": "3.1.0", "paths": {"/orders": {"put": {}, "post": {}}}}))
    os.utime(file, (time.time() + 60,) * 2)
    findings = sp00ky("check", "--json").json["findings"]
    assert [finding["subject"] for finding in findings] == [*subjects, "backend api, /orders"]


@pytest.mark.parametrize(("base_path", "warns"), [("/v2/", True), ("/", False)])
def test_a_base_path_that_requests_will_lack_is_named(
    migrated: Path, sp00ky: Any, base_path: str, warns: bool
) -> None:
    document = {"swagger": "2.0", "basePath": base_path, "paths": {"/orders": {"post": {}}}}
    (migrated / "openapi.json").write_text(json.dumps(document))
    problems = [finding["problem"] for finding in sp00ky("check", "--json").json["findings"]]
    assert problems == ["baseUrl doesn't end with '/v2', the basePath of openapi.json"] * warns
