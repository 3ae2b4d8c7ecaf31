"""Choose how operators sign in, by the command's options and the environment."""

from __future__ import annotations

from collections.abc import Mapping

import click

from sp00ky_core.error_texts import who_asks_for
from sp00ky_dashboard import Authenticate, HeaderAuth, TokenAuth
from sp00ky_dashboard.access.authentication import CodeAuth
from sp00ky_dashboard.access.origin import is_loopback

TOKEN, TOKENS = "SP00KY_DASHBOARD_TOKEN", "SP00KY_DASHBOARD_TOKENS"  # names of variables


def auth_of(host: str, user_header: str | None, environment: Mapping[str, str]) -> Authenticate:
    """Choose who is let in. Raises ``click.UsageError``, and ``OptionInvalid`` for a short token."""
    if (former := "SP00KY_DASHBOARD_PASSWORD") in environment:
        raise click.UsageError(who_asks_for(former))
    tokens = tokens_of(environment)
    if user_header and not is_loopback(host):
        raise click.UsageError(
            f"--user-header believes whoever connects, and other machines reach {host}: "
            "listen on 127.0.0.1, with the proxy beside it"
        )
    if user_header:
        return HeaderAuth(user_header)
    if tokens:
        return TokenAuth(tokens)
    if not is_loopback(host):
        ways = f"set {TOKEN}, or listen on 127.0.0.1"
        raise click.UsageError(f"{host} can be reached from other machines: {ways}")
    return CodeAuth()


def tokens_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return each operator's token by their name. Raises ``click.UsageError``."""
    tokens = {"token": token} if (token := environment.get(TOKEN, "")) else {}
    for pair in environment.get(TOKENS, "").split():
        name, _, token = pair.partition("=")
        if not (name and token) or name in tokens:
            raise click.UsageError(f"{TOKENS} wants NAME=TOKEN, each name once, with spaces between them")
        tokens[name] = token
    return tokens
