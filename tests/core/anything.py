"""Whatever a client may have put into a row's columns."""

import attrs
from hypothesis import strategies as st

from sp00ky_core.job.job import Job

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.datetimes()
    | st.sampled_from([10**400, "\ud800", "pending", "processing", object(), {1: {2}}, "null", "{}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)
"""Values that a client may have written."""

COLUMNS = sorted(
    {field.name.removesuffix("_json") for field in attrs.fields(Job)} - {"id", "backend", "defect"}
)
"""Those of a row, besides what says which it is."""
