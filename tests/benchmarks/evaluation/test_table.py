"""Reports as JSON and Markdown."""

import pytest
from evaluation.table import Report, Section, from_json, to_json, to_markdown

REPORT = Report(
    {"pipeline": "toy", "guidance": 5.0},
    [
        Section(
            "Speed",
            "How fast\n   it is.",
            [{"start": "cold", "s": 12.3456}, {"start": "a|b", "s": None}],
        ),
        Section("Codec", "It has none.", []),
    ],
)


def test_report_survives_json():
    again = from_json(to_json(REPORT))
    assert to_json(again) == to_json(REPORT)
    assert to_markdown(again) == to_markdown(REPORT)


def test_tables_are_markdown():
    assert to_markdown(REPORT).splitlines() == [
        "- pipeline: toy",
        "- guidance: 5",
        "",
        "## Speed",
        "",
        "How fast it is.",
        "",
        "| start | s |",
        "| --- | --- |",
        "| cold | 12.3 |",
        "| a\\|b | - |",
        "",
        "## Codec",
        "",
        "It has none.",
    ]


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"about": {}, "sections": [{"a": 1}]}'])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match=r"report|Expecting"):
        from_json(text)
