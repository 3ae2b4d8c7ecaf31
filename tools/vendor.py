"""Fetch by npm what the dashboard's pages load of others: ``python -m tools.vendor``.

``static/vendor.json`` says which packages, in which versions, and which of their files; the hashes are
written back into it.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile
from hashlib import sha256
from pathlib import Path

from tools.sources import ROOT

__all__ = ["fetched"]

STATIC = ROOT / "contrib" / "sp00ky_dashboard" / "src" / "sp00ky_dashboard" / "static"
LIST = STATIC / "vendor.json"


def fetched(package: str, folder: Path) -> Path:
    """Unpack a package of npm's registry; its folder."""
    packed = ["npm", "pack", package, "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(packed, capture_output=True, text=True, check=True)  # noqa: S603  # a fixed program
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def main() -> None:
    """Fetch all."""
    packages = json.loads(LIST.read_text())
    for name, entry in packages.items():
        target = STATIC / "vendor" / name
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            source = fetched(entry["package"], Path(folder))
            for file in entry["files"]:
                content = (source / file).read_bytes()
                (target / Path(file).name).write_bytes(content)
                entry["files"][file] = sha256(content).hexdigest()
    LIST.write_text(json.dumps(packages, indent=2) + "\n")


if __name__ == "__main__":
    main()
