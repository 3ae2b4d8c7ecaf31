"""A field's definition, as the database prints it, taken apart; what it quotes is no clause."""

from __future__ import annotations

import re

__all__ = ["Clauses", "clauses_of", "text_of"]

Clauses = dict[str, str]
"""Each clause's keyword, and what follows it; in their order."""

_KEYWORDS = "FLEXIBLE|TYPE|REFERENCE|DEFAULT|READONLY|VALUE|ASSERT|COMPUTED|COMMENT|PERMISSIONS"
_TOKEN = re.compile(
    r"(?P<quoted>'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`(?:\\.|[^`\\])*`|⟨[^⟩]*⟩)"
    rf"|(?P<opens>[\[({{])|(?P<closes>[\])}}])|(?<![\w$.:])(?P<keyword>{_KEYWORDS})\b",
    re.DOTALL,
)


def clauses_of(definition: str) -> Clauses:
    """The clauses of ``DEFINE FIELD ...``; empty where it has none."""
    starts: list[re.Match[str]] = []
    depth = 0
    for found in _TOKEN.finditer(definition):
        depth += (found["opens"] is not None) - (found["closes"] is not None)
        if found["keyword"] and depth == 0:
            starts.append(found)
    ends = [*(each.start() for each in starts[1:]), len(definition)]
    return {
        each["keyword"]: definition[each.end() : end].strip() for each, end in zip(starts, ends, strict=True)
    }


def text_of(clauses: Clauses) -> str:
    """Clauses as they stand in a definition."""
    return " ".join(f"{keyword} {text}".strip() for keyword, text in clauses.items())
