"""Hand ``manage.py sp00ky ...`` to the ``sp00ky`` command line, with this project's configuration."""

from __future__ import annotations

from argparse import REMAINDER, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sp00ky_core import Sp00kyError
from sp00ky_core.cli.app import main
from sp00ky_django.app_settings import app_settings
from sp00ky_django.store_url import derived_store_url


class Command(BaseCommand):
    """Run, migrate, check, and all else that the ``sp00ky`` command does."""

    help = "Run, migrate, check and operate the outbox: `manage.py sp00ky --help` lists all commands."
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Hand all arguments on but those that Django has heeded already."""
        heeded = ArgumentParser(add_help=False, allow_abbrev=False)
        for option in ("--settings", "--pythonpath"):
            heeded.add_argument(option)
        _, arguments = heeded.parse_known_args(argv[2:])
        try:
            main([*_project(), *arguments])
        except CommandError as error:
            self.stderr.write(str(error))
            raise SystemExit(error.returncode) from error

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whatever the command line takes, for ``call_command("sp00ky", "migrate")``."""
        parser.add_argument("arguments", nargs=REMAINDER, metavar="COMMAND ...")

    def handle(self, *_: Any, arguments: list[str], **__: Any) -> None:
        """Run a command; raises ``CommandError`` where it fails, with its exit code."""
        try:
            main([*_project(), *arguments])
        except SystemExit as ended:
            if ended.code:
                text = f"`sp00ky {' '.join(arguments)}` failed: see above"
                raise CommandError(text, returncode=int(ended.code)) from None


def _project() -> list[str]:
    """Return the options that name this project's configuration and its database."""
    try:
        app = app_settings()
        return ["--config", str(app.config), "--store", derived_store_url(app)]
    except Sp00kyError as error:
        raise CommandError(str(error), returncode=error.exit_code) from error
