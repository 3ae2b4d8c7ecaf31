"""Authenticate operators: by a token, a code, a proxy's header, or the host application's own function."""

from __future__ import annotations

import hmac
import inspect
import secrets
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from math import ceil
from time import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sp00ky_core.errors import OptionInvalid
from sp00ky_dashboard.access.authorization import Operator
from sp00ky_dashboard.access.forms import form_of
from sp00ky_dashboard.access.origin import is_same_site_post
from sp00ky_dashboard.access.throttle import Throttle
from sp00ky_dashboard.cookies import SESSION, set_cookie
from sp00ky_dashboard.rendering import render

__all__ = ["Authenticate", "HeaderAuth", "TokenAuth"]

SIGNED_IN_SECONDS = 12 * 3600
"""A working day; then the token is asked for again."""

SHORTEST_TOKEN = 16
"""Characters: what can't be guessed by trying."""

CODE_SECONDS = 15 * 60
"""Then a code is worth nothing any more."""

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"

LONGEST_NAME = 200
"""Characters of a name that a proxy sends."""


Found = Operator | str | Response | None
Authenticate = Callable[[Request], Found | Awaitable[Found]]
"""Says who asks: a name or an ``Operator``; None refuses, a response (a redirect to your sign-in) is sent."""


async def identified(authenticate: Authenticate, request: Request) -> Operator | Response:
    """Return who asks, or what they are answered instead."""
    answer = authenticate(request)
    if inspect.isawaitable(answer):
        answer = await answer
    if isinstance(answer, str) and answer:
        return Operator(name=answer)
    if isinstance(answer, Operator | Response):
        return answer
    return render(request, "message.html", status=401, title="You aren't signed in", text="Sign in first.")


class HeaderAuth:
    """Take the name that a proxy has authenticated out of a header.

    Whoever reaches the dashboard without that proxy can write the header too: let nobody else reach it.
    """

    def __init__(self, header: str) -> None:
        """Take the header's name, such as ``X-Auth-Request-Email``."""
        self._header = header

    def __call__(self, request: Request) -> Found:
        """Return the name; None: the proxy has sent none, or two, or one that can't be shown."""
        names = request.headers.getlist(self._header)
        is_good = len(names) == 1 and names[0].isprintable() and len(names[0]) <= LONGEST_NAME
        return names[0].strip() or None if is_good else None


class Sessions:
    """Keep browsers signed in, by a cookie that is signed: all that is kept here is who has signed out."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        """Take each name's key, which is kept secret."""
        self._keys = dict(keys)
        self._ended: dict[str, float] = {}  # cookies of this process's that were signed out, until they end

    def begin(self, request: Request, name: str, target: str) -> Response:
        """Sign a browser in, and lead it on to a page."""
        response, nonce = RedirectResponse(target, 303), secrets.token_hex(8)
        signed = f"{int(time()) + SIGNED_IN_SECONDS}:{nonce}:{name}"
        cookie = f"{signed}:{self._signature(name, signed)}".encode().hex()
        set_cookie(response, request, SESSION, cookie, seconds=SIGNED_IN_SECONDS)
        return response

    async def end(self, request: Request) -> Response:
        """Sign a browser out: its cookie goes, and a copy of it is worth nothing here any more."""
        await form_of(request)  # raises where no page of ours sent it
        if self.name_of(request):
            now = time()
            self._ended = {cookie: until for cookie, until in self._ended.items() if now < until}
            self._ended[request.cookies[SESSION].lower()] = now + SIGNED_IN_SECONDS
        root = request.scope.get("root_path", "")
        response = RedirectResponse(f"{root}/", 303)
        response.delete_cookie(SESSION, path=root or "/")
        return response

    def name_of(self, request: Request) -> str | None:
        """Return who is signed in."""
        try:
            sent = request.cookies.get(SESSION, "").lower()
            signed, _, signature = bytes.fromhex(sent).decode().rpartition(":")
            until, _, name = signed.split(":", 2)
            is_fresh = time() < int(until) and sent not in self._ended
        except ValueError:
            return None
        if name not in self._keys or not is_fresh:
            return None
        expected = self._signature(name, signed)
        return name if hmac.compare_digest(expected.encode(), signature.encode()) else None

    def _signature(self, name: str, signed: str) -> str:
        return hmac.digest(self._keys[name].encode(), signed.encode(), "sha256").hex()


def is_sign_out(request: Request) -> bool:
    """Whether a browser asks to be signed out."""
    return is_same_site_post(request) and str(request.scope["path"]).endswith(SIGN_OUT)


class TokenAuth:
    """Ask for a token: browsers on a page that keeps them signed in, programs as ``Authorization: Bearer``.

    It is never taken from a URL. Any number of processes may have the same tokens; each knows of the browsers
    that have signed out there, and of addresses that have sent it many wrong tokens.
    """

    def __init__(self, tokens: Mapping[str, str]) -> None:
        """Take each operator's token by their name."""
        for token in tokens.values():
            if len(token) < SHORTEST_TOKEN:
                expected = f"at least {SHORTEST_TOKEN} characters, as in `openssl rand -hex 24`"
                raise OptionInvalid(option="token", value=f"{len(token)} characters", expected=expected)
        if not tokens or len({*tokens.values()}) < len(tokens):
            value = "one for several names" if tokens else "none"  # the audit couldn't say whose
            raise OptionInvalid(option="tokens", value=value, expected="a token for each name")
        self._tokens, self._sessions, self._throttle = dict(tokens), Sessions(tokens), Throttle()

    async def __call__(self, request: Request) -> Found:
        """Return the name, or the page that asks for the token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._owner(request, token.strip())
        if is_sign_out(request):
            return await self._sessions.end(request)
        if is_same_site_post(request) and request.scope["path"].endswith(SIGN_IN):
            form = await form_of(request)
            found = self._owner(request, form.text("token"))
            if isinstance(found, str):
                return self._sessions.begin(request, found, form.back(request))
            return found or _sign_in_page(request, "token", "That token isn't known.")
        return self._sessions.name_of(request) or _sign_in_page(request, "token")

    def _owner(self, request: Request, token: str) -> str | Response | None:
        """Return whose token it is; an answer where it isn't even looked at."""
        if seconds := ceil(self._throttle.refuses_for(request)):
            text = f"Too many wrong tokens came from your address. Try again in {seconds} s."
            return render(
                request,
                "message.html",
                status=429,
                headers={"Retry-After": str(seconds)},
                title="Wait a moment",
                text=text,
            )
        given = _digest(token)
        for name, known in self._tokens.items():
            if hmac.compare_digest(_digest(known), given):
                return name
        self._throttle.note_wrong(request)
        return None


class CodeAuth:
    """Let in who has the latest code: once, within 15 minutes; the browser stays signed in.

    A code may stand in a URL, for it is worth nothing after that. No header lets anyone in.
    """

    def __init__(self) -> None:
        """Begin without a code; browsers that are signed in stay so as long as this process lives."""
        self._sessions = Sessions({"code": secrets.token_hex()})
        self._code, self._ends_at = "", 0.0

    def new_code(self) -> str:
        """Make a code; the one before is worth nothing any more."""
        self._code, self._ends_at = secrets.token_urlsafe(16), time() + CODE_SECONDS
        return self._code

    async def __call__(self, request: Request) -> Found:
        """Return the name, or the page that asks for a code."""
        if is_sign_out(request):
            return await self._sessions.end(request)
        name, problem = self._sessions.name_of(request), None
        if request.scope["path"].endswith(SIGN_IN):
            code, target = await _sent_code(request)
            if self._is_spent(code):
                return self._sessions.begin(request, "code", target)
            if name:
                return RedirectResponse(target, 303)
            problem = "That code is wrong, used or expired." if code else None
        return name or _sign_in_page(request, "code", problem)

    def _is_spent(self, code: str) -> bool:
        """Whether it was the code, which it is no more."""
        is_it = hmac.compare_digest(_digest(code), _digest(self._code)) and time() < self._ends_at
        if is_it:
            self._ends_at = 0.0
        return is_it


async def _sent_code(request: Request) -> tuple[str, str]:
    """Return the code of an address or of a form, and which page is wanted."""
    if is_same_site_post(request):
        form = await form_of(request)
        return form.text("code"), form.back(request)
    code = request.query_params.get("code", "") if request.method == "GET" else ""
    return code, request.scope.get("root_path", "") + "/"


def _sign_in_page(request: Request, secret: str, problem: str | None = None) -> Response:
    return render(request, "sign_in.html", status=401, title="Sign in", secret=secret, problem=problem)


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="replace")).digest()
