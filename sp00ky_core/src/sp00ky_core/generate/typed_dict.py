"""Write a TypedDict: as a class where each key can be a name in one, else as a call."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Mapping

from sp00ky_core.generate.names import HIDDEN

_PLAIN = re.compile(r"[a-z][A-Za-z0-9_]*")


def typed_dict(name: str, fields: Mapping[str, str], required: Collection[str]) -> str:
    """Return the statement that defines it; ``fields`` are the keys' types."""
    types = {key: kind if key in required else f"NotRequired[{kind}]" for key, kind in fields.items()}
    if all(map(_is_plain, fields)):
        lines = [f"    {key}: {kind}\n" for key, kind in types.items()] or ["    pass\n"]
        return f"class {name}(TypedDict):\n{''.join(lines)}"
    lines = [f"        {key!a}: {kind!a},\n" for key, kind in types.items()]
    return f"{name} = TypedDict(\n    {name!a},\n    {{\n{''.join(lines)}    }},\n)\n"


def _is_plain(key: str) -> bool:
    return bool(_PLAIN.fullmatch(key)) and not keyword.iskeyword(key) and key not in HIDDEN
