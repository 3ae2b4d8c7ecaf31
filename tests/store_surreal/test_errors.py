"""What the database says, told apart by its own sentences."""

import pytest

from sp00ky_core.errors import RowRefused, StoreError
from sp00ky_store_surreal.errors import (
    Conflict,
    DuplicateKey,
    EngineFault,
    TableMissing,
    TookTooLong,
    statement_error,
)

NOT_RUN = "The query was not executed due to a failed transaction"

FSYNC = (
    "There was a problem with a datastore transaction: Log error: IO error: kind=other error, message=fsync"
)

COLLIDED = "Failed to commit transaction due to a read or write conflict. This transaction can be retried"

MESSAGES = {
    "disk": (f"{NOT_RUN}. {FSYNC} failed", EngineFault),
    "disk, bare": (f"{FSYNC} failed", EngineFault),
    "disk of a server": (
        "There was a problem with the key-value store: IO error: No space left",
        EngineFault,
    ),
    "database's timeout": ("The query was not executed because it exceeded the timeout", TookTooLong),
    "collision": (f"{NOT_RUN}. {COLLIDED}", Conflict),
    "collision on a server": (
        "There was a problem with the key-value store: Transaction conflict: This transaction can be retried",
        Conflict,
    ),
    "collision at the end": (
        "Cannot COMMIT: Transaction conflict: Write conflict. This transaction can be retried",
        Conflict,
    ),
    "replaced index": (
        "Index building has been cancelled: Index i was replaced mid-transaction; queued mutations are lost",
        Conflict,
    ),
    "thrown": (f"An error occurred: {COLLIDED}", RowRefused),
    "thrown disk": (f"An error occurred: {FSYNC}", RowRefused),
    "thrown table": ("An error occurred: The table 'a' does not exist", RowRefused),
    "thrown in an event": (f"Error while processing event e: An error occurred: {COLLIDED}", RowRefused),
    "event's own row": (
        "Error while processing event e: Database index `u` already contains 'x'",
        RowRefused,
    ),
    "event's table": ("Error while processing event e: The table 'a' does not exist", RowRefused),
    "quoted collision": (f"Found '{COLLIDED}' for field `result`, with record `job:a`, but", RowRefused),
    "quoted disk": ("Found 'x: IO error: fsync failed' for field `result`, with record `job:a`", RowRefused),
    "quoted absence": ("Found 'The table \\'a\\' does not exist' for field `path`, with record", RowRefused),
    "coerced": ("Couldn't coerce value for field `path` of `job:a`: Expected `string`", RowRefused),
    "taken": ("Database index `u` already contains 'can be retried', with record `job:a`", DuplicateKey),
    "absent": ("The table 'job' does not exist", TableMissing),
}


@pytest.mark.parametrize(("message", "kind"), MESSAGES.values(), ids=MESSAGES)
def test_an_error_is_told_by_the_engines_own_sentence(message: str, kind: type[StoreError]) -> None:
    results = [
        {"status": "OK", "result": None},
        {"status": "ERR", "result": NOT_RUN},
        {"status": "ERR", "result": message},
    ]
    assert type(statement_error("mem://", results)) is kind


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("Found 'my card' for field `payload`, with", "Found another value for field `payload`, with"),
        (
            f"Found {{ a: 'card{' 1' * 500}' }} for field `result.a`, but",
            "Found another value for field `result.a`, but",
        ),
        (
            "Couldn't coerce value for field `payload` of `job:a`: Expected `object` but found `'my card'`",
            "Couldn't coerce value for field `payload` of `job:a`: Expected `object` but found another value",
        ),
        ("Found NONE for field `payload`, with", "Found NONE for field `payload`, with"),
        ("Found '/a' for field `path`, with", "Found '/a' for field `path`, with"),
    ],
)
def test_what_a_payload_or_a_result_holds_is_not_quoted(message: str, problem: str) -> None:
    error = statement_error("mem://", [{"status": "ERR", "result": message}])
    assert error is not None
    assert error.problem == problem
