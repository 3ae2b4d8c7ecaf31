"""Hold payloads against the JSON Schemas of their topics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs

from sp00ky_core.errors import ConfigError, OptionInvalid
from sp00ky_openapi.yaml_text import YamlProblem, read_yaml
from sp00ky_webhooks.model import checked_topic

__all__ = ["Schema", "check", "read_all"]

Schema = Any
"""A validator of jsonschema-rs; None: any payload will do."""


def read_all(topics: Mapping[str, Any], folder: Path) -> Mapping[str, Schema]:
    """Read the schemas of topics, each in the file or in a file of its own. Raises ``ConfigError``."""
    return {topic: _schema(topic, given, folder) for topic, given in topics.items()}


def _schema(topic: str, given: Any, folder: Path) -> Schema:
    try:
        checked_topic(topic)
        document = read_yaml(folder / given) if isinstance(given, str) else given
        return None if document is None else jsonschema_rs.validator_for(document)
    except (ValueError, YamlProblem) as error:
        problem = f"the schema of {topic!s:.80} can't be used: {str(error).splitlines()[0][:200]}"
        raise ConfigError(file="", key="webhooks.topics", problem=problem) from None


def check(topic: str, payload: Any, schemas: Mapping[str, Schema]) -> None:
    """Refuse a payload that its topic's schema doesn't take. Raises ``OptionInvalid``."""
    schema = schemas.get(topic)
    if schema is None:
        return
    for error in schema.iter_errors(payload):
        where = "".join(f"/{part}" for part in error.instance_path) or "/"
        raise OptionInvalid(
            option="payload",
            value=f"{where}: {error.message[:200]}",
            expected=f"what the schema of {topic} takes",
        )
