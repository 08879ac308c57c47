"""JSON and TOML from anywhere: numbers that nothing holds, many levels, bytes that are not text."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.documents import DEEPEST, DocumentError, NotADocument, read_json, read_toml

ZEROS = "1" + 400 * "0"
DIGITS = 5000 * "9"
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_json_that_python_writes_is_read_back(value):
    assert read_json(json.dumps(value)) == value
    assert read_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize("text", [ZEROS, f"-{ZEROS}", "1e999", "-1e999", DIGITS])
def test_number_that_no_float_holds_is_refused_with_its_place(text):
    with pytest.raises(DocumentError, match=r"controls\.seed: .* beyond 1\.8e\+308"):
        read_json(f'{{"controls": {{"seed": [{text}]}}}}')
    if "e" in text:
        with pytest.raises(DocumentError, match=r"inputs\.seed: .* beyond 1\.8e\+308"):
            read_toml(f"inputs.seed = [{text}]")


@pytest.mark.parametrize("text", [ZEROS, DIGITS, str(2**63), "0x" + 5000 * "f"])
def test_whole_number_of_more_than_64_bits_is_not_toml(text):
    with pytest.raises(DocumentError, match=r"whole number"):
        read_toml(f"seed = {text}")


def test_whole_numbers_of_json_beyond_64_bits_are_floats():
    assert read_json(f"[{2**63 - 1}, {-(2**63)}]") == [2**63 - 1, -(2**63)]
    large = read_json(f"[{2**63}, {-(2**63) - 1}, {10**30}]")
    assert large == [2.0**63, -(2.0**63), 1e30]
    assert all(type(number) is float for number in large)


def test_whole_numbers_are_ints_where_fields_say_what_fits():
    assert read_json(f"[{ZEROS}]", any_whole=True) == [10**400]
    with pytest.raises(DocumentError, match=r"a: a number of 5000 letters is beyond"):
        read_json(f'{{"a": {DIGITS}}}', any_whole=True)


def test_infinity_and_nan_are_toml_and_not_json():
    assert math.isnan(read_toml("a = nan")["a"])
    assert read_toml("a = -inf") == {"a": -math.inf}
    for word in ("NaN", "Infinity", "-Infinity"):
        with pytest.raises(NotADocument, match="is no number of JSON"):
            read_json(f"[{word}]")


@pytest.mark.parametrize("levels", [DEEPEST + 1, 900, 30_000])
def test_document_of_many_levels_is_refused(levels):
    lists, objects = levels * "[" + levels * "]", levels * '{"a":' + "1" + levels * "}"
    keys = ".".join(min(levels, 900) * ["a"])
    tables = levels * "{a=" + "1" + levels * "}"
    texts = (f"a = {lists}", f"a = {tables}", f"{keys}.a = 1", f"[{keys}.a]")
    for read, text in [(read_json, lists), (read_json, objects), *((read_toml, t) for t in texts)]:
        with pytest.raises(DocumentError, match="more than 64 levels"):
            read(text)


def test_levels_up_to_the_limit_are_read():
    value = read_json(DEEPEST * "[" + DEEPEST * "]")
    assert read_toml("a = " + (DEEPEST - 1) * "[" + (DEEPEST - 1) * "]")["a"]
    assert isinstance(value, list)


@pytest.mark.parametrize("data", [b"\xff", b'"\xe9"', '{"a": 1}'.encode("utf-16"), b"", b"{"])
def test_bytes_that_are_not_json_in_utf8_are_refused(data):
    with pytest.raises(NotADocument):
        read_json(data)
    assert read_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_text_that_utf8_cannot_write_is_refused_with_its_place():
    with pytest.raises(DocumentError, match=r"^a: '\\ud800' is not text"):
        read_json('{"a": ["\\ud800"]}')
    with pytest.raises(DocumentError, match="is not text"):
        read_json('{"\\udc00": 1}')
