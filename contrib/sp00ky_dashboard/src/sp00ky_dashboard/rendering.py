"""Render pages: templates, how values are written, and what every page knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context as JinjaContext
from starlette.requests import Request
from starlette.responses import HTMLResponse

from sp00ky_core.backend.settings import settings_texts, value_text
from sp00ky_core.job.job import instant_to_json
from sp00ky_dashboard import flash
from sp00ky_dashboard.access import forms
from sp00ky_dashboard.cookies import SESSION, set_cookie
from sp00ky_dashboard.times import age, duration, past

STATIC = Path(__file__).parent / "static"

TEMPLATES = "sp00ky_dashboard.templates"
"""Where a request keeps the folder of an extension's templates."""


def render(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Return a page. What UTF-8 or HTML can't hold, in what a client has written, is replaced."""
    context = request.scope.get("sp00ky_dashboard.context")
    root = request.scope.get("root_path", "")
    path = request.scope["path"].removeprefix(root) or "/"
    token, line = forms.form_token(request), flash.line_of(request)
    site: dict[str, Any] = {"root": root, "path": path, "form_field": forms.FIELD, "form_token": token}
    site |= {"here": root + _address(request, path), "acts": {} if context is None else context.acts}
    known = {
        **site,
        "site": site,
        "operator": None if context is None else context.operator,
        "pages": () if context is None else context.navigation,
        "has_session": SESSION in request.cookies,
        "is_fragment": request.headers.get("hx-target") == "dialog",
        "done_line": line,
    }
    templates = _environment(request.scope.get(TEMPLATES))
    html = templates.get_template(template).render({**known, **values})
    body = html.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace")
    response = HTMLResponse(body, status, headers)
    if forms.COOKIE not in request.cookies:
        set_cookie(response, request, forms.COOKIE, token)
    if line:
        response.delete_cookie(flash.COOKIE, path=root or "/")
    return response


def _address(request: Request, path: str) -> str:
    """Write a page's path and query; ``request.url`` takes a ? in the decoded path for the query's."""
    query = request.scope.get("query_string", b"").decode(errors="replace")
    return quote(path, safe="/:") + (f"?{query}" if query else "")


def link(path: str, /, **query: object) -> str:
    """Return a path with a query of what isn't empty."""
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return path + (f"?{urlencode(given, errors='replace')}" if given else "")


def job_link(job_id: str) -> str:
    """Return the path of a job's page."""
    return f"/jobs/{quote(job_id, safe=':', errors='replace')}"


def pretty(value: object) -> str:
    """Write JSON for people; a text that is no JSON stands as it is."""
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def count(value: float) -> str:
    """Write a number with separators, a small one that isn't whole with a decimal."""
    return f"{value:,.1f}" if value < 100 and value != int(value) else f"{value:,.0f}"  # noqa: PLR2004


def listed(value: object) -> str:
    """Write a value; a list as its items."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def short_id(job_id: str) -> str:
    """Write an id's table and the end of its key, where it differs from its neighbours'."""
    table, _, key = job_id.partition(":")
    return job_id if len(key) <= 10 else f"{table}:…{key[-8:]}"  # noqa: PLR2004


@pass_context
def reason(context: JinjaContext, text: str | None) -> str:
    """Write why something failed, where the operator may see it."""
    written: str = context["operator"].seen(text)
    return written


def _static(name: str) -> str:
    return f"/static/{name}?v={_versions[name]}"


@cache
def _environment(folder: Path | None) -> Environment:
    """Return what renders templates: ours, and before them those of a folder."""
    ours = PackageLoader("sp00ky_dashboard")
    environment = Environment(
        loader=ours if folder is None else ChoiceLoader([FileSystemLoader(folder), ours]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    written = (age, count, duration, listed, past, pretty, reason, settings_texts, short_id, value_text)
    environment.filters.update({filter_.__name__: filter_ for filter_ in written}, instant=instant_to_json)
    environment.globals.update(link=link, job_link=job_link, static=_static, now=lambda: datetime.now(UTC))
    return environment


_versions = {
    file.relative_to(STATIC).as_posix(): sha256(file.read_bytes()).hexdigest()[:12]
    for file in STATIC.rglob("*")
    if file.is_file()
}
