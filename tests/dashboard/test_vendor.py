import json
from hashlib import sha256

from sp00ky_dashboard.rendering import STATIC


def test_what_comes_from_others_is_unchanged_and_has_its_licence() -> None:
    packages = json.loads((STATIC / "vendor.json").read_text())
    listed = {
        STATIC / "vendor" / name / file.rpartition("/")[2]: expected
        for name, entry in packages.items()
        for file, expected in entry["files"].items()
    }
    there = {file for file in (STATIC / "vendor").rglob("*") if file.is_file()}
    assert {file: sha256(file.read_bytes()).hexdigest() for file in there} == listed
    assert {file.parent for file in there if file.name == "LICENSE"} == {file.parent for file in there}
