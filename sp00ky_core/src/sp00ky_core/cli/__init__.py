"""The command line: ``sp00ky``."""

from sp00ky_core.cli.app import main

__all__ = ["main"]
