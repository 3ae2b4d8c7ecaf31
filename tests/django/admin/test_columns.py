"""What a job's page shows, whatever stands in the row."""

import json

import pytest

from sp00ky_django.admin.columns import errors_table, pretty


def test_json_is_indented_and_escaped() -> None:
    assert (
        pretty('{"a":"<script>","ä":1}')
        == "<pre>{\n  &quot;a&quot;: &quot;&lt;script&gt;&quot;,\n  &quot;ä&quot;: 1\n}</pre>"
    )
    assert pretty(None) == "-"


@pytest.mark.parametrize("text", ["{", "<b>", "[" * 100_000])
def test_what_is_no_json_is_shown_as_it_is(text: str) -> None:
    assert pretty(text) == f"<pre>{text.replace('<b>', '&lt;b&gt;')}</pre>"
    assert errors_table(text) == pretty(text)


def test_errors_are_a_table() -> None:
    entries = [
        {"at": "2030", "attempt": 1, "name": "tls", "code": 0, "reason": "<b>", "runner_id": None, "more": 1}
    ]
    shown = errors_table(json.dumps(entries))
    assert "<td>2030</td><td>1</td><td>tls</td><td>0</td><td>&lt;b&gt;</td><td></td>" in shown
    assert shown.count("<tr>") == 2
    assert errors_table("[]") == "-"
    assert errors_table("[1]") == pretty("[1]")
    assert errors_table('{"a": 1}') == pretty('{"a": 1}')


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert pretty('{"\\ud83d": "\\ude00"}') == "<pre>{\n  &quot;\ufffd&quot;: &quot;\ufffd&quot;\n}</pre>"
    assert "<td>\ufffd!</td>" in errors_table('[{"reason": "\\ud83d!"}]')
    assert "<td>\U0001f600</td>" in errors_table('[{"reason": "\\ud83d\\ude00"}]')
