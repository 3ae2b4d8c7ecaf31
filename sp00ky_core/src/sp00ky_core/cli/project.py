"""Set a project up, or an adapter: ``sp00ky init | plugins | new-adapter``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from importlib.resources import files as packaged
from pathlib import Path

import attrs
import click

from sp00ky_core.cli.command import Settings, as_json, command
from sp00ky_core.cli.output import show_list
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.plugins.registry import PluginInfo, Plugins

NEXT = """\
next: sp00ky migrate && sp00ky check
then: sp00ky call api /spookify '{"id": "1"}' --wait
      (needs the backend at baseUrl; where the store is a server, `sp00ky run` too)"""


@command(short_help="Write sp00ky.yml and openapi.yml into the current folder.")
def init(settings: Settings) -> None:
    """Write sp00ky.yml and openapi.yml into the current folder; overwrites nothing."""
    config = settings.config or Path("sp00ky.yml")
    templates = {config: "sp00ky.yml", config.with_name("openapi.yml"): "openapi.yml"}
    _write_new({file: template_text(template) for file, template in templates.items()}, unless=templates)
    click.echo(NEXT)


def template_text(*path: str) -> str:
    """Return what commands write: a file of ``templates/``."""
    return packaged("sp00ky_core").joinpath("cli", "templates", *path).read_text(encoding="utf-8")


def _write_new(texts: Mapping[Path, str], *, unless: Iterable[Path]) -> None:
    """Write files. Raises ``Sp00kyError`` where something would be overwritten."""
    there = [str(path) for path in unless if path.exists()]
    if there:
        be = "is" if len(there) == 1 else "are"
        problem = f"{' and '.join(there)} {be} there already and nothing was written"
        raise Sp00kyError(f"{problem}; change to another folder")
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
        click.echo(f"wrote {file}")


COLUMNS = ("plugin", "distribution", "version", "registers", "hooks")


@command()
@as_json
def plugins(settings: Settings) -> None:
    """Show the installed plugins and what each one registers."""
    show_list("plugins", settings.plugins.infos, attrs.asdict, COLUMNS, _row)


def _row(info: PluginInfo) -> tuple[str, ...]:
    registers = ", ".join(info.stores + info.transports + info.retry_strategies + info.commands)
    return (info.name, info.distribution, info.version, registers, ", ".join(info.hooks))


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
    texts = {Path(package, file): text for file, text in _written(kind, name, package).items()}
    _write_new(texts, unless=[Path(package)])
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
    sources = {
        "pyproject.toml": ("pyproject.toml.txt",),
        "README.md": (kind, "README.md.txt"),
        **{f"src/{package}/{module}": (kind, f"{module}.txt") for module in PACKAGES[kind]},
        f"tests/test_{name}_{kind}.py": (kind, "test.py.txt"),
    }
    major, minor = version("sp00ky-core").split(".")[:2]
    versions = f">={major}.{minor},<{major}.{int(minor) + 1}"
    values = {
        "{kind}": kind,
        "{name}": name,
        "{Name}": name.capitalize(),
        "{package}": package,
        "{distribution}": package.replace("_", "-"),
        "{versions}": versions,
        "{kit}": f', "sp00ky-store-kit{versions}"' if kind == "store" else "",
    }
    pattern = re.compile("|".join(map(re.escape, values)))
    texts = {
        file: pattern.sub(lambda match: values[match[0]], template_text("adapter", *source))
        for file, source in sources.items()
    }
    summary = f'"""A {kind} of Sp00ky outbox for {name}."""\n'
    return {**texts, f"src/{package}/__init__.py": summary, f"src/{package}/py.typed": ""}
