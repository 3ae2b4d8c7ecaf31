"""A page that an extension brings: it is there as ours are, under the same rules."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from tests.dashboard.conftest import Browser, Open
from tests.dashboard.scene import opened

from sp00ky_core import Outbox, hookimpl, load_plugins
from sp00ky_core.errors import OptionInvalid, PluginLoadError
from sp00ky_core.ports import Finding
from sp00ky_dashboard import Act, Ask, Dashboard, Form, Page, context_of, render

TEMPLATE = """\
{% extends "live.html" %}
{% import "macros.html" as m %}
{% block title %}Notes{% endblock %}
{% block live %}
<p>{{ notes | join(", ") }} of {{ operator.name }}</p>
{% if not operator.read_only %}{{ m.act_button(site, "note", {"target": "n1"}, "Note", "n1") }}{% endif %}
{% endblock %}
"""


class Notes:
    """An extension that has nothing but pages."""

    options = None
    tables = ()
    api = dict

    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages = pages

    def start(self, _context: Any) -> None:
        return None

    def commands(self) -> Mapping[str, Any]:
        return {}

    def pages(self) -> Sequence[Any]:
        if not self._pages:
            raise RuntimeError("no ink")
        return self._pages

    async def findings(self, _context: Any) -> list[Finding]:
        return []

    async def retention(self, _context: Any) -> int:
        return 0

    @hookimpl
    def sp00ky_register_extensions(self) -> Mapping[str, Any]:
        return {"notes": self}


def noted(folder: Path, written: list[Any]) -> Sequence[Page]:
    async def notes(request: Request) -> Response:
        kept = await context_of(request).read("notes", context_of(request).outbox.find)
        return render(request, "notes.html", notes=["<first>", len(kept)])

    async def one(request: Request) -> Response:
        raise HTTPException(404, f"There is no note {request.path_params['name']}.")

    async def note(outbox: Outbox, target: str, form: Form, act: dict[str, Any]) -> str:
        if not form.text("text"):
            raise OptionInvalid(option="text", value="nothing", expected="some words")
        written.append((outbox.via, target, form.text("text"), act))
        return f"{target} is noted."

    (folder / "notes.html").write_text(TEMPLATE)
    acts = {"note": Act(verb="Note", text="It is kept.", do=note, asks=(Ask(name="text", label="Text"),))}
    return (
        Page(path="/notes", name="Notes", handler=notes, templates=folder, acts=acts),
        Page(path="/notes/{name}", handler=one),
    )


@pytest.fixture
async def outbox(tmp_path: Path, written: list[Any]) -> AsyncIterator[Outbox]:
    plugins = load_plugins()
    plugins.register(Notes(noted(tmp_path, written)), name="notes", distribution="acme-notes")
    async with opened(tmp_path, plugins=plugins) as outbox:
        yield outbox


@pytest.fixture
def written() -> list[Any]:
    return []


async def test_it_is_linked_to_and_rendered_as_ours(browser: Browser) -> None:
    page = await browser.see("/notes")
    assert "&lt;first&gt;, 0 of ada" in page
    assert '<a href="/notes" aria-current="page">Notes</a>' in page
    assert '<a href="/notes">Notes</a>' in await browser.see("/")
    assert "There is no note x." in await browser.see("/notes/x", 404)


async def test_what_it_does_is_confirmed_and_said_who_did_it(browser: Browser, written: list[Any]) -> None:
    asked = await browser.post("/act", {"action": "note", "target": "n1", "back": "/notes"})
    assert "Note n1?" in asked.text
    assert '<label for="text">Text' in asked.text
    assert written == []
    wrong = await browser.post("/act", {"action": "note", "target": "n1", "confirmed": "1"})
    assert (wrong.status_code, "some words" in wrong.text) == (400, True)
    assert "n1 is noted." in await browser.act("note", target="n1", text="boo")
    assert written == [("dashboard", "n1", "boo", {"actor": "ada", "reason": "why not"})]


async def test_it_is_under_our_rules(open_browser: Open, written: list[Any]) -> None:
    fields = {"action": "note", "target": "n1", "text": "boo", "confirmed": "1"}
    reader = await open_browser(read_only=True)
    assert "<button" not in await reader.see("/notes")
    assert (await reader.post("/act", fields)).status_code == 403
    stranger = await open_browser(auth=lambda _: None)
    assert (await stranger.get("/notes")).status_code == 401
    browser = await open_browser()
    assert (await browser.get("/notes", headers={"Host": "evil.test"})).status_code == 421
    origin = {"Sec-Fetch-Site": "same-origin"}
    assert (await browser.client.post("/notes", data=fields, headers=origin)).status_code == 405
    assert (await browser.client.post("/act", data=fields, headers=origin)).status_code == 403
    assert (await browser.post("/act", fields, **{"Sec-Fetch-Site": "cross-site"})).status_code == 403
    assert written == []


async def nowhere(_request: Request) -> Response:
    raise NotImplementedError


KILL = Act(verb="Kill", text="", do=noted)  # type: ignore[arg-type]  # it is never done


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        ((), "acme-notes: its pages can't be made: RuntimeError: no ink"),
        ((Page(path="/jobs", handler=nowhere),), "acme-notes: its page /jobs takes what is another's: /jobs"),
        ((Page(path="/notes", handler=nowhere),) * 2, "/notes takes what is another's: /notes"),
        ((Page(path="/notes", handler=nowhere, acts={"kill": KILL}),), "another's: kill"),
    ],
)
async def test_one_that_is_wrong_is_named(tmp_path: Path, pages: Sequence[Page], says: str) -> None:
    plugins = load_plugins()
    plugins.register(Notes(pages), name="notes", distribution="acme-notes")
    async with opened(tmp_path, plugins=plugins) as outbox:
        with pytest.raises(PluginLoadError) as raised:
            Dashboard(outbox, auth=lambda _: "ada")
    assert says in str(raised.value)
