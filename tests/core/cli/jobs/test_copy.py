"""``sp00ky jobs copy``: a new job like an old one."""

from pathlib import Path
from typing import Any

from tests.core.cli.jobs.shelf import Shelf, ended, enqueued

from sp00ky_core.outcome import Delivered


def test_a_job_is_copied(shelf: Shelf, sp00ky: Any) -> None:
    options: dict[str, Any] = {
        "payload": {"id": "é", "n": 1.10},
        "assigned_to": "thread:a",
        "max_retries": 7,
        "retry_strategy": "exponential",
        "dedup_key": "k",
        "priority": 2,
        "ordering_key": "o",
    }
    (old,) = ended(1, Delivered(), **options)
    copied = sp00ky("jobs", "copy", old)
    assert (copied.code, copied.err) == (0, "")
    was, new = shelf.all()[old], shelf.all()[copied.out.strip()]
    for name in (
        "backend",
        "path",
        "payload_json",
        "assigned_to",
        "max_retries",
        "retry_strategy",
        "timeout",
        "priority",
        "ordering_key",
    ):
        assert getattr(new, name) == getattr(was, name), name
    assert (new.status.value, new.dedup_key, new.retries, new.errors) == ("pending", None, 0, ())
    assert was.status.value == "success"


def test_a_copy_may_have_another_payload(shelf: Shelf, sp00ky: Any) -> None:
    (old,) = enqueued(1)
    (Path.cwd() / "payload.json").write_text('{"id": "from a file"}')
    for given, expected in (('{"id": "2"}', "2"), ("@payload.json", "from a file")):
        copied = sp00ky("jobs", "copy", old, "--payload", given, "--json").json
        assert copied["payload"] == {"id": expected}
    assert "contract" in sp00ky("jobs", "copy", old, "--payload", '{"id": 3}').complaint(2)
    assert "PAYLOAD @nowhere" in sp00ky("jobs", "copy", old, "--payload", "@nowhere").complaint(2)
    assert "'job:nope'" in sp00ky("jobs", "copy", "job:nope").complaint(1)
    assert len(shelf.all()) == 3


def test_what_cannot_be_a_job_is_not_copied(shelf: Shelf, sp00ky: Any) -> None:
    enqueued(0)
    assert shelf.store is not None
    for key, payload in (("1", "[]"), ("2", "no json")):
        shelf.store.write_row("job", {"id": key, "path": "/json", "payload": payload})
        assert "object" in sp00ky("jobs", "copy", f"job:{key}").complaint(2)
    shelf.store.write_row("job", {"id": "3", "path": "/gone", "payload": "{}"})
    assert "no route '/gone'" in sp00ky("jobs", "copy", "job:3").complaint(2)
    assert len(shelf.all()) == 3
