import json
from hashlib import sha256

from sp00ky_dashboard.render import STATIC


def test_what_comes_from_others_is_unchanged_and_has_its_licence() -> None:
    packages = json.loads((STATIC / "vendor.json").read_text())
    listed = {
        STATIC / "vendor" / name / file.rpartition("/")[2]: expected
        for name, entry in packages.items()
        for file, expected in entry["files"].items()
    }
    there = {each for each in (STATIC / "vendor").rglob("*") if each.is_file()}
    assert {file: sha256(file.read_bytes()).hexdigest() for file in there} == listed
    assert {each.parent for each in there if each.name == "LICENSE"} == {each.parent for each in there}
