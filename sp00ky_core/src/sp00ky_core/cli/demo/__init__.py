"""``sp00ky demo``: the whole thing on one screen, with no services and no arguments."""

from sp00ky_core.cli.demo.command import demo

__all__ = ["demo"]
