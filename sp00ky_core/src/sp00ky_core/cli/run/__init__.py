"""``sp00ky run``: deliver jobs in a process of its own, or in several."""

from sp00ky_core.cli.run.command import run

__all__ = ["run"]
