"""The parts of `soundstage variants`: seeds, lists, file names and batches."""

from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.apps.commands.file_names import slug
from soundstage.apps.commands.variants.seeds import parse_seeds
from soundstage.apps.commands.variants.variant_list import read_list
from soundstage.apps.commands.variants.variation import batches
from soundstage.errors import InputError
from soundstage.graph.check import build
from soundstage.graph.pipeline_file import read_tables
from soundstage.graph.scalar import scalars
from soundstage.graph.spec import parse
from soundstage.presets.preset import preset_path
from soundstage.runners.sessions.prompts import Audio, Style, Text

# ---- seeds


@pytest.mark.parametrize(
    ("written", "seeds"),
    [("7", (7,)), ("0-3", (0, 1, 2, 3)), ("5,1-2, 9", (5, 1, 2, 9)), ("4-4", (4,))],
)
def test_seeds_are_numbers_and_ranges_in_the_order_written(written, seeds):
    assert parse_seeds(written, 10) == seeds


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "write numbers and ranges"),
        ("1,,2", "write numbers and ranges"),
        ("-1", "write numbers and ranges"),
        ("0..7", "write numbers and ranges"),
        ("\N{ARABIC-INDIC DIGIT THREE}", "write numbers and ranges"),
        ("9" * 5000, "write numbers and ranges"),
        ("7-3", "write 3-7"),
        ("1,0-4", "1 is given twice"),
        ("0-10", "more than 10"),
        ("0-99999999999999999999", "more than 10"),
    ],
)
def test_invalid_seeds_are_refused(written, why):
    with pytest.raises(InputError, match=why):
        parse_seeds(written, 10)


# ---- lists

NUMBERS = scalars(build(parse(read_tables(preset_path("toy")))))
TOML = """
[[variant]]
name = "Dawn"
prompts = ["warm pads", "jazz trio:0.5"]
audio = ["ref.wav:0.25"]
seed = 3
temperature = 1

[[variant]]
prompts = "strings"
top_k = 12
guidance = 2.5
"""
CSV = """name,prompts,audio,seed,temperature,top_k,guidance
Dawn,warm pads | jazz trio:0.5,ref.wav:0.25,3,1,,

,strings,,,,12,2.5
"""


def listed(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return read_list(path, NUMBERS)


@pytest.mark.parametrize(("name", "text"), [("a.toml", TOML), ("a.csv", "\ufeff" + CSV)])
def test_list_holds_the_same_rows_as_toml_and_as_csv(tmp_path, name, text):
    (first, second), problems = listed(tmp_path, name, text)
    assert problems == []
    assert first.name == "Dawn"
    assert first.prompts == (
        Text("warm pads"),
        Text("jazz trio", 0.5),
        Audio(tmp_path / "ref.wav", weight=0.25),
    )
    assert first.controls == {"seed": 3, "temperature": 1.0}
    assert (second.name, second.prompts) == ("", (Text("strings"),))
    assert second.controls == {"top_k": 12, "guidance": 2.5}


def test_prompts_of_a_list_may_be_tables_with_any_text(tmp_path):
    text = 'prompts = [{ text = "at 12:30", weight = 2 }, { text = "rain" }]\n'
    (row,), problems = listed(tmp_path, "a.toml", f"[[variant]]\n{text}")
    assert (row.prompts, problems) == ((Text("at 12:30", 2.0), Text("rain")), [])


def test_style_vectors_of_a_list_start_at_its_folder(tmp_path):
    text = '[[variant]]\nstyles = ["a.npy:0.5", { file = "b.npy" }]\n'
    (row,), problems = listed(tmp_path, "a.toml", text)
    assert row.prompts == (Style(tmp_path / "a.npy", 0.5), Style(tmp_path / "b.npy"))
    assert problems == []


def test_every_problem_of_a_toml_list_names_its_row(tmp_path):
    text = """
loudness = 3
[[variant]]
promts = ["pads"]
seed = "7"
[[variant]]
prompts = ["good"]
[[variant]]
name = ""
top_k = 1.5
temperature = true
prompts = ["pads", 3, { text = "a", wieght = 1 }, { text = "b", weight = "2" }]
audio = []
"""
    rows, problems = listed(tmp_path, "a.toml", text)
    assert [row.prompts for row in rows] == [(Text("good"),)]
    lines = [str(problem).removeprefix(f"{tmp_path / 'a.toml'}: ") for problem in problems]
    expected = [
        ("loudness", "write [[variant]]"),
        ("variant 1: promts", "did you mean 'prompts'?"),
        ("variant 1: seed", "expected a whole number, got '7'"),
        ("variant 3: name", "expected a line"),
        ("variant 3: top_k", "expected a whole number, got 1.5"),
        ("variant 3: temperature", "expected a number, got True"),
        ("variant 3: prompts", "got 3"),
        ("variant 3: prompts", "got {'text': 'a', 'wieght': 1}"),
        ("variant 3: prompts", "expected a number as weight, got '2'"),
        ("variant 3: audio", "expected at least one"),
    ]
    assert len(lines) == len(expected)
    for line, (where, what) in zip(lines, expected, strict=True):
        assert line.startswith(f"{where}: "), line
        assert what in line


def test_every_problem_of_a_csv_list_names_its_line(tmp_path):
    text = "prompts,sead,seed,seed\npads,1,x,2\ngood,,,4\na,b,c,d,e\n"
    _, problems = listed(tmp_path, "a.csv", text)
    lines = [str(problem).removeprefix(f"{tmp_path / 'a.csv'}: ") for problem in problems]
    assert lines == [
        "column 'sead': unknown column; did you mean 'seed'?",
        "column 'seed': is given twice; keep one",
        'line 4: 5 cells under 4 columns; put text with a comma between "quotes"',
    ]
    _, problems = listed(tmp_path, "b.csv", "prompts,seed,top_k\npads,x,\n\nmore,1.5,many\n")
    lines = [str(problem).removeprefix(f"{tmp_path / 'b.csv'}: ") for problem in problems]
    assert lines == [
        "line 2: seed: expected a whole number, got 'x'",
        "line 4: seed: expected a whole number, got 1.5",
        "line 4: top_k: expected a whole number, got 'many'",
    ]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.json", b"{}", "a .toml or a .csv file"),
        ("a.toml", b"", "holds no variant"),
        ("a.csv", b"", "holds no variant"),
        ("a.csv", b"name,seed\n,\n", "holds no variant"),
        ("a.toml", b"[variant]\nseed = 1", r"write \[\[variant\]\]"),
        ("a.toml", b"[[variant", "is not TOML"),
        ("a.toml", b"\xff\xfe", "not UTF-8"),
        ("a.csv", b'name\n"open', "line 2"),
    ],
)
def test_file_that_is_not_a_list_is_refused(tmp_path, name, content, why):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=why):
        read_list(tmp_path / name, NUMBERS)
    with pytest.raises(InputError, match="No such file"):
        read_list(tmp_path / "missing.toml", NUMBERS)


# ---- names


@given(st.text(max_size=200))
def test_slug_of_any_text_is_short_and_of_letters_and_digits(text):
    name = slug(text)
    assert len(name) <= 40
    assert len(name.encode()) <= 160
    assert all(c.isalnum() or c == "-" for c in name)
    assert name[:1] != "-" != name[-1:]


def test_slug_keeps_whole_words_of_any_script():
    assert slug("Warm PADS, slowly!") == "warm-pads-slowly"
    assert slug("<script>../../etc") == "script-etc"
    assert slug("Größe 日本") == "grösse-日本"
    assert (
        slug("a very long prompt about strings and choirs")
        == "a-very-long-prompt-about-strings-and"
    )
    assert slug("!!!") == ""
    assert set(slug("x" * 500)) <= set(ascii_letters + digits)


# ---- batches


@given(st.integers(0, 60), st.integers(1, 12))
def test_batches_keep_the_order_and_are_few_and_nearly_equal(count, most):
    parts = [list(batch) for batch in batches(range(count), most)]
    assert [item for batch in parts for item in batch] == list(range(count))
    assert len(parts) == -(-count // most)
    sizes = {len(batch) for batch in parts}
    assert all(0 < size <= most for size in sizes)
    assert len(sizes) <= 2
    assert not sizes or max(sizes) - min(sizes) <= 1
