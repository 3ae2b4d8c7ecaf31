"""Whether a type checker knows the type of all that each distribution gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.types.conftest import completeness

PACKAGES = (
    "sp00ky_core",
    "sp00ky_openapi",
    "sp00ky_store_kit",
    "sp00ky_conformance",
    "sp00ky_dashboard",
    "sp00ky_opentelemetry",
    "sp00ky_store_postgres",
    "sp00ky_store_sqlite",
    "sp00ky_generate",
    "sp00ky_tasks",
    "sp00ky_schedules",
    "sp00ky_webhooks",
    "sp00ky_workflows",
    "sp00ky_transport_asgi",
    "sp00ky_store_surreal",
    "sp00ky_transport_amqp",
    "sp00ky_transport_http",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_type_is_known(package: str, tmp_path: Path) -> None:
    found = completeness(package, tmp_path)
    unknown = [
        symbol["name"]
        for symbol in found["symbols"]
        if symbol["isExported"] and (symbol["isTypeAmbiguous"] or not symbol["isTypeKnown"])
    ]
    assert unknown == []
    assert found["completenessScore"] == 1
