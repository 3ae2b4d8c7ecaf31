"""Begin an adapter: ``sp00ky new-adapter`` writes a distribution whose tests pass, to be filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import click

from sp00ky_core.cli.settings import Settings, command
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.plugins.registry import Plugins

__all__ = ["new_adapter"]

NAME = re.compile(r"[a-z][a-z0-9]{0,39}")
"""A scheme of URLs, and a part of module names."""

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "store": ("session.py", "store.py", "plugin.py"),
    "transport": ("transport.py", "plugin.py"),
}
"""The modules of each kind."""


@command(name="new-adapter", short_help="Write a distribution for a store or a transport of your own.")
@click.argument("kind", type=click.Choice(sorted(PACKAGES)))
@click.argument("name")
def new_adapter(settings: Settings, kind: str, name: str) -> None:
    """Write the folder sp00ky_KIND_NAME: a distribution whose tests pass, for a database or a protocol.

    NAME is the scheme of its URLs: lower-case letters and digits.
    """
    _refuse_name(settings.plugins, kind, name)
    package = f"sp00ky_{kind}_{name}"
    if Path(package).exists():
        raise Sp00kyError(f"{package} is there already and nothing was written; change to another folder")
    for file, text in _written(kind, name, package).items():
        path = Path(package, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        click.echo(f"wrote {path}")
    click.echo(f"next: cd {package} && pip install -e . && pytest (with sp00ky-conformance: see README.md)")


def _refuse_name(plugins: Plugins, kind: str, name: str) -> None:
    """Raise ``Sp00kyError`` for a name that isn't fit for a scheme, or is one that is installed."""
    if not NAME.fullmatch(name):
        raise Sp00kyError(f"{name!r} can't be a scheme: use lower-case letters and digits, a letter first")
    for plugin in plugins.infos:
        if name in (plugin.stores if kind == "store" else plugin.transports):
            by = f"{name}:// is a {kind} of {plugin.distribution}"
            raise Sp00kyError(f"{by}, which is installed here; choose another name")


def _written(kind: str, name: str, package: str) -> Mapping[str, str]:
    """Return what is in each file."""
    templates, modules = Path("adapter", kind), PACKAGES[kind]
    sources = {
        "pyproject.toml": templates.with_name("pyproject.toml"),
        "README.md": templates / "README.md",
        **{f"src/{package}/{module}": templates / module for module in modules},
        f"tests/test_{name}_{kind}.py": templates / "test.py",
    }
    major, minor = version("sp00ky-core").split(".")[:2]
    values = {
        "kind": kind,
        "name": name,
        "Name": name.capitalize(),
        "package": package,
        "distribution": package.replace("_", "-"),
        "versions": f">={major}.{minor},<{major}.{int(minor) + 1}",
    }
    texts = {file: _filled(template, values) for file, template in sources.items()}
    summary = f'"""A {kind} of Sp00ky outbox for {name}."""\n'
    return {**texts, f"src/{package}/__init__.py": summary, f"src/{package}/py.typed": ""}


def _filled(template: Path, values: Mapping[str, str]) -> str:
    file = files("sp00ky_core").joinpath("cli", "templates", *template.parts[:-1], f"{template.name}.txt")
    text = file.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text
