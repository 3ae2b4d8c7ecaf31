"""Topics, patterns and filters."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sp00ky_core.errors import OptionInvalid
from sp00ky_webhooks.model import (
    PATTERN,
    checked_filter,
    checked_patterns,
    checked_topic,
    passes,
    patterns_of,
    rate_of,
)

WORDS = st.lists(st.sampled_from(["a", "b", "order"]), min_size=1, max_size=5)


def meets(pattern: str, topic: str) -> bool:
    """Say by another way whether a topic meets a pattern."""
    if pattern == "#":
        return True
    body = pattern.removesuffix(".#")
    regex = r"\.".join("[^.]+" if word == "*" else re.escape(word) for word in body.split("."))
    return re.fullmatch(regex + (r"(\..*)?" if pattern.endswith(".#") else ""), topic) is not None


@given(WORDS, st.lists(st.sampled_from(["a", "b", "order", "*"]), min_size=1, max_size=5), st.booleans())
def test_a_topic_lists_the_patterns_that_it_meets_and_no_others(
    topic_words: list[str], pattern_words: list[str], rest: bool
) -> None:
    topic, pattern = ".".join(topic_words), ".".join(pattern_words) + (".#" if rest else "")
    assert (pattern in patterns_of(topic)) == meets(pattern, topic)


def test_every_pattern_is_one() -> None:
    patterns = patterns_of("a.b.c.d.e.f.g.h")
    assert len(patterns) == len(set(patterns)) == 767
    assert all(PATTERN.fullmatch(pattern) for pattern in patterns)


@pytest.mark.parametrize(
    "topic", ["", "Order", "a..b", ".a", "a.", "a b", "a.*", "#", "a." * 8 + "a", "a" * 191, 7]
)
def test_what_is_no_topic_is_refused(topic: object) -> None:
    with pytest.raises(OptionInvalid):
        checked_topic(topic)


def test_a_topic_that_is_not_declared_is_refused() -> None:
    assert checked_topic("order.paid", ["order.paid"]) == "order.paid"
    with pytest.raises(OptionInvalid, match=r"one of order\.paid"):
        checked_topic("order.lost", ["order.paid"])


def test_a_pattern_that_no_declared_topic_meets_is_refused() -> None:
    patterns = ("order.*", "#", "order.paid", "sp00ky.endpoint.disabled")
    assert checked_patterns(patterns, ["order.paid"]) == patterns
    with pytest.raises(OptionInvalid, match=r"'ordr\.paid'.*one that meets order\.paid"):
        checked_patterns(["ordr.paid"], ["order.paid"])


@pytest.mark.parametrize("topics", [[], "a", ["a.#.b"], ["##"], ["a*"], ["a"] * 101, [7]])
def test_what_are_no_patterns_is_refused(topics: Any) -> None:
    with pytest.raises(OptionInvalid):
        checked_patterns(topics)


@pytest.mark.parametrize(
    ("conditions", "is_met"),
    [
        (None, True),
        ({"/a": 1}, True),
        ({"/a": True}, False),
        ({"/a": "1"}, False),
        ({"/b/c": ["x", "y"]}, True),
        ({"/b/c": "z"}, False),
        ({"/list/1": 20}, True),
        ({"/list/7": 20}, False),
        ({"/no/where": None}, False),
        ({"/none": None}, True),
        ({"/a~1b~0": "odd"}, True),
        ({"/a": 1, "/b/c": "z"}, False),
    ],
)
def test_a_payload_passes_a_filter(conditions: Any, is_met: bool) -> None:
    payload = {"a": 1, "b": {"c": "x"}, "list": [10, 20], "none": None, "a/b~": "odd"}
    assert passes(payload, checked_filter(conditions)) is is_met


@pytest.mark.parametrize("given_", [{}, {"a": 1}, {"/a~2": 1}, {"/a": {"gt": 1}}, "x", {"/a": [[1]]}])
def test_what_is_no_filter_is_refused(given_: Any) -> None:
    with pytest.raises(OptionInvalid):
        checked_filter(given_)


def test_rates_are_read() -> None:
    assert (rate_of("20/s").limit, rate_of("20/s").per) == (20, 1.0)
    assert (rate_of("300/5m").limit, rate_of("300/5m").per) == (300, 300.0)
    for wrong in ("", "0/s", "1/x", "s", 7, "1/0s", ["1/s"]):
        with pytest.raises(OptionInvalid):
            rate_of(wrong)
