"""The page of the public API: an entry for each public name, made of complete docstrings."""

import ast
import builtins
import dataclasses
import inspect
import re
import textwrap
from itertools import pairwise
from pathlib import Path

import api_page
import pytest

import soundstage

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")
NAMES = api_page.public_names()
CLASSES = {name: each for name, each in NAMES.items() if inspect.isclass(each)}
ERRORS = {n: c for n, c in CLASSES.items() if issubclass(c, Exception)}
SECTION = re.compile(r"^(\w[\w ]*):\n((?:    .*\n|\n)+)", re.MULTILINE)
ENTRY = re.compile(r"^\*{0,2}([\w.]+): ", re.MULTILINE)
# An array's description names its dtype and its dimensions.
DTYPE, SHAPE = re.compile(r"float32|float64|int32|int64|dtype"), re.compile(r"\[[\w.~]+[\], ]")
# A number's name or description has its unit, or says what is counted.
UNIT = re.compile(
    r"_(s|hz|db)\b|seconds|Hz|dB|samples|bytes|chunks?\b|ticks?\b|rows?\b|frames?\b|levels?\b"
    r"|channels|codes|numbers|width|share|exit|error|outputs|least|greatest|cluster|[Ww]hether|number"
)


def functions():
    """(name, function) of every public function and method, constructors of classes included."""
    for name, each in NAMES.items():
        if inspect.isfunction(each):
            yield name, each
        if not inspect.isclass(each):
            continue
        for member, value in api_page.members(each):
            value = value.fget if isinstance(value, property) else value
            yield f"{name}.{member}", getattr(value, "__func__", value)


FUNCTIONS = dict(functions())


def sections(each):
    text = (inspect.getdoc(each) or "") + "\n"
    return {name: textwrap.dedent(body) for name, body in SECTION.findall(text)}


def entries(each, section):
    """The text of each entry of a section, by name."""
    body = sections(each).get(section, "")
    starts = [*ENTRY.finditer(body), None]
    return {
        start[1]: body[start.end() : end.start() if end else None]
        for start, end in pairwise(starts)
    }


def raised(function):
    """The errors that a function raises in its own body, by name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    raises = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc]
    return {node.func.id for node in raises if isinstance(node, ast.Call)}


def annotated(each):
    """(name, annotation as text, description) of parameters, fields and what is returned."""
    if inspect.isclass(each):
        described = entries(each, "Attributes")
        fields = dataclasses.fields(each) if dataclasses.is_dataclass(each) else ()
        for field in fields:
            if not field.name.startswith("_"):
                kind = field.type if isinstance(field.type, str) else str(field.type)
                yield field.name, kind, described.get(field.name, "")
        return
    signature, doc = inspect.signature(each), inspect.getdoc(each) or ""
    described = entries(each, "Args")
    for name, parameter in signature.parameters.items():
        if name not in ("self", "cls"):
            yield name, str(parameter.annotation), described.get(name, doc)
    yield "returns", str(signature.return_annotation), doc


def test_page_is_made_of_the_docstrings():
    assert api_page.page() == PAGE, "run `python docs/api_page.py > docs/api.md`"


def test_public_names_are_listed_once_and_all_have_an_entry():
    stub = (ROOT / "soundstage" / "__init__.pyi").read_text("utf-8")
    listed = re.findall(r"^from \S+ import (\w+) as \1$", stub, re.MULTILINE)
    assert sorted(listed) == sorted(set(listed)) == sorted(soundstage.__all__)
    listed += [f"testing.{name}" for name in soundstage.testing.__all__]
    headings = re.findall(r"^### soundstage\.(\S+)$", PAGE.replace("\\", ""), re.MULTILINE)
    assert sorted(headings) == sorted(set(listed) - {"testing"})


def test_every_error_has_one_base_and_is_public():
    bases = soundstage.Error | soundstage.SoundstageWarning
    assert {name for name, error in ERRORS.items() if not issubclass(error, bases)} == set()
    known = {name.rpartition(".")[2] for name in ERRORS}
    documented = {
        name for each in (*NAMES.values(), *FUNCTIONS.values()) for name in entries(each, "Raises")
    }
    strange = {n for n in documented - known if not hasattr(builtins, n)}
    assert strange == set()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_and_errors_of_a_function_are_documented(name):
    function = FUNCTIONS[name]
    doc = inspect.getdoc(function)
    assert doc, f"{name} has no docstring"
    parameters = set(inspect.signature(function).parameters) - {"self", "cls"}
    described = set(entries(function, "Args"))
    in_words = {p for p in parameters if f"`{p}`" in doc} if not described else set()
    assert parameters - described - in_words == set() or "The arguments are those of" in doc
    assert raised(function) <= set(entries(function, "Raises"))


@pytest.mark.parametrize("name", CLASSES)
def test_fields_and_errors_of_a_class_are_documented(name):
    each = CLASSES[name]
    assert inspect.getdoc(each)
    undescribed = {field for field, _, text in annotated(each) if not text}
    assert undescribed == set()
    if dataclasses.is_dataclass(each) and "__post_init__" in vars(each):
        assert raised(each.__post_init__) <= set(entries(each, "Raises"))


@pytest.mark.parametrize("name", [*FUNCTIONS, *CLASSES])
def test_arrays_have_dtypes_and_shapes_and_numbers_have_units(name):
    for part, kind, text in annotated({**FUNCTIONS, **CLASSES}[name]):
        if "ndarray" in kind or "Tensor" in kind:
            assert DTYPE.search(text), f"{part}: which dtype?"
            assert SHAPE.search(text), f"{part}: which shape?"
        elif re.search(r"\b(float|int)\b", kind):
            assert UNIT.search(f"{part} {text}"), f"{part}: which unit?"
