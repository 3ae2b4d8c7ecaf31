"""Hold a text that no output may show."""

from __future__ import annotations

import attrs


@attrs.frozen(repr=False)
class Secret:
    """A text that is never printed.

    Attributes:
        value: The text itself.
    """

    value: str

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__
