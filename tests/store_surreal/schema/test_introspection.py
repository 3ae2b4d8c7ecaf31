"""Definitions as the database prints them."""

from __future__ import annotations

import pytest

from sp00ky_store_surreal.schema.introspection import clauses_of


@pytest.mark.parametrize(
    ("definition", "clauses"),
    [
        ("DEFINE FIELD a ON j PERMISSIONS FULL", {"PERMISSIONS": "FULL"}),
        (
            "DEFINE FIELD a ON j FLEXIBLE TYPE option<object> READONLY COMMENT 'a TYPE is PERMISSIONS NONE'",
            {
                "FLEXIBLE": "",
                "TYPE": "option<object>",
                "READONLY": "",
                "COMMENT": "'a TYPE is PERMISSIONS NONE'",
            },
        ),
        (
            'DEFINE FIELD a ON j VALUE (SELECT VALUE id FROM t) ASSERT $value != "a \'VALUE" OR { TYPE: 1 }',
            {"VALUE": "(SELECT VALUE id FROM t)", "ASSERT": '$value != "a \'VALUE" OR { TYPE: 1 }'},
        ),
        (
            "DEFINE FIELD a ON j TYPE record<t> DEFAULT t:VALUE ASSERT $VALUE.TYPE = `TYPE ` REFERENCE UNSET",
            {
                "TYPE": "record<t>",
                "DEFAULT": "t:VALUE",
                "ASSERT": "$VALUE.TYPE = `TYPE `",
                "REFERENCE": "UNSET",
            },
        ),
    ],
)
def test_a_definition_is_taken_apart_at_its_clauses(definition: str, clauses: dict[str, str]) -> None:
    assert clauses_of(definition) == clauses
