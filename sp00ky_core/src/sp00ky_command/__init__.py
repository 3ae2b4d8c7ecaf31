"""Start the command ``sp00ky``: Ctrl-C ends it quietly while modules are still being imported, too."""

import sys

__all__ = ["main"]

INTERRUPTED = 130


def main() -> None:
    """Import the command line, and run it."""
    try:
        from sp00ky_core.cli import main as run  # noqa: PLC0415  # it takes most of the first second

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
