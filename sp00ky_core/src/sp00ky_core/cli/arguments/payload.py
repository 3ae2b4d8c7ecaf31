"""Read a PAYLOAD argument: JSON, @FILE, or - for standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import PayloadNotJson


def read_payload(payload: str) -> Any:
    """Parse the JSON that an argument stands for.

    Raises:
        click.UsageError: the file can't be read.
        PayloadNotJson: it holds no JSON, or an object with a key twice.
    """
    try:
        if payload == "-":
            return decode(sys.stdin.buffer.read(), unique_keys=True)
        if payload.startswith("@"):
            return decode(Path(payload[1:]).read_bytes(), unique_keys=True)
        return decode(payload, unique_keys=True)
    except OSError as error:
        raise click.UsageError(f"PAYLOAD {payload}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PayloadNotJson(problem="it is not UTF-8; save it as UTF-8") from error
    except ValueError as error:
        raise PayloadNotJson(problem=str(error)) from error
