from __future__ import annotations

import ast

from sp00ky_core.generate.typed_dict import typed_dict


def test_plain_keys_make_a_class() -> None:
    text = typed_dict("Thing", {"id": "str", "size": "int"}, {"id"})
    assert text == "class Thing(TypedDict):\n    id: str\n    size: NotRequired[int]\n"
    assert typed_dict("Nothing", {}, ()) == "class Nothing(TypedDict):\n    pass\n"


def test_other_keys_make_a_call() -> None:
    for key in ("a-b", "class", "__x", "str", "Thing", "\u00e9", "'); exit("):
        text = typed_dict("Thing", {key: "Literal['\\n']"}, ())
        (statement,) = ast.parse(text).body
        assert isinstance(statement, ast.Assign)
        assert isinstance(statement.value, ast.Call)
        keys, types = ast.literal_eval(statement.value.args[1]).popitem()
        assert (keys, types) == (key, "NotRequired[Literal['\\n']]")
