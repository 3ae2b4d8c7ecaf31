"""The names in Python are those that the schema's files define."""

from sp00ky_store_surreal.schema.schema_files import defined
from sp00ky_store_surreal.schema.table_definitions import JOB_FIELDS


def test_each_is_defined() -> None:
    assert set(defined("job", "FIELD")) >= JOB_FIELDS
