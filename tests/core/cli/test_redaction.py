"""``sp00ky jobs redact | erase``: what is asked, what is printed, and what is nowhere."""

from hashlib import sha256
from typing import Any

from tests.core.cli.shelf import Shelf, ended, enqueued

CARD: dict[str, Any] = {"payload": {"id": "4111"}, "assigned_to": "user:7"}


def test_an_erasure_leaves_a_proof_and_nothing_else(shelf: Shelf, sp00ky: Any) -> None:
    ended(2, **CARD)
    waiting = enqueued(1, **CARD)
    (other,) = enqueued(1)
    assert sp00ky("jobs", "erase", "--assigned-to", "user:7", "--dry-run").out == "would be erased: 3\n"
    for chosen in (["--assigned-to", "user:7"], ["--limit", "2"], waiting):
        dry = sp00ky("jobs", "redact", *chosen, "--dry-run", "--json")
        refused = len(waiting) if "--limit" not in chosen else 2
        assert (dry.code, dry.json["refused"]["illegal"], dry.json["done"]) == (1, refused, 0)
    assert dry.err.endswith(f"job {waiting[0]} is pending: --kill ends it first\n")
    assert sp00ky("jobs", "redact", "--assigned-to", "user:7", "--dry-run").out == "would be redacted: 2\n"
    assert sp00ky("jobs", "redact", *waiting, "--kill", "--dry-run").out == "would be redacted: 1\n"
    done = sp00ky("jobs", "erase", "--assigned-to", "user:7", "--yes", "--reason", "asked for")
    (entry,) = sp00ky("audit", "--json").json["audit"]
    digest = sha256(b'{"assigned_to":"user:7"}').hexdigest()
    assert (done.code, done.out.splitlines()) == (
        0,
        ["erased: 3 (1 killed first)", f"selection (sha256): {digest}", f"audit entry: {entry['id']}"],
    )
    assert (entry["action"], entry["count"], entry["selection"]) == ("erase", 3, {"sha256": digest})
    assert list(shelf.all()) == [other]
    assert "nothing is chosen" in sp00ky("jobs", "erase", "--yes").complaint(2)


def test_an_erasure_that_leaves_copies_exits_1_and_names_them(shelf: Shelf, sp00ky: Any) -> None:
    (old,) = ended(1, **CARD)
    copy = sp00ky("jobs", "copy", old).out.strip()
    # One that is refused hides nothing of what is left of the others.
    redacted = sp00ky("jobs", "redact", old, *enqueued(1))
    assert (redacted.code, f"copies 1; --keys clears them; the copies: {copy}" in redacted.err) == (1, True)
    left = sp00ky("jobs", "erase", old, "--json")
    assert (left.code, left.json["left"], left.json["copies"]) == (1, {"copies": 1}, [copy])
    assert f"left as they are: copies 1; the copies: {copy}" in left.err
    again = sp00ky("jobs", "copy", copy).out.strip()
    both = sp00ky("jobs", "erase", copy, again, "--json")
    assert (both.code, both.json["done"], both.json["left"], both.json["copies"]) == (0, 2, {}, [])
