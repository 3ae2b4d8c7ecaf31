"""A sp00ky.yml that can't be used: exit 2, one line with the key, and no secret however it is misplaced."""

import json
from pathlib import Path
from typing import Any

import pytest

SECRET = "s3cret-on-the-wrong-line"
AUTH = 'auth: {type: token, token: "${API_TOKEN}"}'


def complaint(project: Path, sp00ky: Any, old: str, new: str) -> str:
    """What is said about the project's file with ``old`` replaced."""
    file = project / "sp00ky.yml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    line = str(sp00ky("jobs", "list").complaint(2))
    assert SECRET not in line
    debugged = sp00ky("--debug", "jobs", "list")
    assert debugged.code == 2
    assert SECRET not in debugged.out + debugged.err
    return line


@pytest.mark.parametrize(
    "text", ["", "no: openapi", '{"swagger": "1.2", "paths": {}}', '{"openapi": "3.1.0"']
)
def test_a_document_that_is_no_openapi_is_named(project: Path, sp00ky: Any, text: str) -> None:
    (project / "openapi.json").write_text(text)
    assert "openapi.json" in sp00ky("call", "api", "/json").complaint(2)


def test_a_route_with_two_methods_and_no_post_is_said(project: Path, sp00ky: Any) -> None:
    document = {"openapi": "3.1.0", "paths": {"/both": {"get": {}, "put": {}}}}
    (project / "openapi.json").write_text(json.dumps(document))
    assert "/both" in sp00ky("check", "--verbose").out
    assert "it has get, put and no post" in sp00ky("call", "api", "/both").complaint(2)


@pytest.mark.parametrize(
    "auth",
    [
        f"auth: {SECRET}",
        f"auth: [{SECRET}]",
        f"auth: {{type: {SECRET}}}",
        f"auth: {{type: token, tokn: {SECRET}}}",
        f"auth: {{type: token, token: [{SECRET}]}}",
        f"auth: {{type: token, token: {{a: {SECRET}}}}}",
        f'auth: {{type: token, token: "{SECRET}\\nX: y"}}',
        f"auth: {{type: token, token: '{SECRET}}}",
        f"auth: {{type: token token: {SECRET}}}",
    ],
)
def test_a_misplaced_token_is_not_shown(project: Path, sp00ky: Any, auth: str) -> None:
    complaint(project, sp00ky, AUTH, auth)


@pytest.mark.parametrize(
    "url",
    [
        f"nosuch://user:{SECRET}@host/x",
        f"user:{SECRET}@host/x",
        f"ws://user:{SECRET}@[::1/main/main",
        f"ws://user:{SECRET}@host:port/main/main",
        f"ws://user:{SECRET}@host:99999/main/main",
        f"ws://user:{SECRET}@127.0.0.1:1/main/main?auth={SECRET}",
    ],
)
def test_a_store_that_is_none_is_refused_without_its_password(project: Path, sp00ky: Any, url: str) -> None:
    complaint(project, sp00ky, "store: surrealkv://./sp00ky.db", f'store: "{url}"')
    for debug in ([], ["--debug"]):
        shown = sp00ky("jobs", "list", "--store", url, *debug)
        assert shown.code == 2
        assert SECRET not in shown.out + shown.err


@pytest.mark.parametrize("command", [["jobs", "list"], ["run", "--until-empty"], ["check"], ["migrate"]])
@pytest.mark.parametrize("query", ["", f"?token={SECRET}"])
def test_a_server_that_is_not_there_is_said_without_its_password(
    project: Path, sp00ky: Any, command: list[str], query: str
) -> None:
    store = ["--store", f"ws://user:{SECRET}@127.0.0.1:1/main/main{query}"]
    line = sp00ky(*command, *store).complaint(1)
    assert "ws://127.0.0.1:1/main/main" in line
    assert SECRET not in line
    debugged = sp00ky(*command, *store, "--debug")
    assert "Traceback" in debugged.err
    assert SECRET not in debugged.out + debugged.err
