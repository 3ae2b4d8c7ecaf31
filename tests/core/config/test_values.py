"""Values of keys: what YAML gave becomes a value, or a text that says what to write."""

import math
from typing import Any

import pytest

from sp00ky_core.config import values as read


@pytest.mark.parametrize(
    ("reader", "given", "says"),
    [
        (read.text, 1, "1"),
        (read.boolean, "yes", "yes"),
        (read.whole(1, 10), 11, "10"),
        (read.whole(1), True, "true"),
        (read.number(0, above=True), 0, "0"),
        (read.number(0), math.nan, "number"),
        (read.duration, "soon", "a duration such as"),
        (read.duration, -1, "a duration such as"),
        (read.duration_of_time, 0, "such as 30m or 24h"),
        (read.table_name, "a-b", "letters, digits"),
        (read.table_name, "SP00KY_runner", "the runner's own tables"),
        (read.endpoint_url, "ftp://host", "ws://"),
        (read.endpoint_url, "http://user:s3cret@host", "must not hold a user"),
        (read.endpoint_url, "http://host?s3cret", "no query and no fragment"),
        (read.endpoint_url, "http://host:0", "host"),
        (read.endpoint_url, "ws://host/other", "without a path"),
        *((read.backend_url, url, "http:// or https://") for url in ("host", "a_b://host", "://host")),
        *(
            (read.store_location, f"{url}s3cret", "expected a store URL")
            for url in ("", "a_b://", "a://\x1b")
        ),
        (read.store_location, "ws://[s3cret", "its host is none"),
    ],
)
def test_what_is_refused_says_what_to_write(reader: read.Reader, given: Any, says: str) -> None:
    with pytest.raises(read.ReadProblem) as raised:
        reader(given)
    assert says in str(raised.value).lower() or says in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://host/v1", "https://host:8443", "amqp://host:5672/jobs"])
def test_a_backend_has_a_url_of_any_scheme(url: str) -> None:
    assert read.backend_url(url) == url
