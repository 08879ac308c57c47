"""The size and shape of the code: what a reader may count on in every file."""

import ast
import re
import tokenize
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = {
    path.relative_to(ROOT).as_posix(): path
    for path in sorted(ROOT.rglob("*.py"))
    if not path.relative_to(ROOT).parts[0].startswith((".", "build", "dist"))
}
PACKAGES = [name for name in SOURCES if not name.startswith(("tests/", "benchmarks/"))]

FILE_LINES, FUNCTION_LINES = 400, 40
# Longer functions and how long they are. The table may only shrink.
LONGER = {
    "benchmarks/depthformer_chunk.py:main": 54,
    "tests/golden/make_golden.py:record_depthformer": 42,
    "tests/golden/spectrostream_by_hand.py:spectrostream_shapes": 42,
}
# The protocol every stage fulfils: the one place that stands for whatever inputs there are.
KEYWORDS_OF_ANY_NAME = {"graph/stage.py:__call__"}
# What a command line is registered with, and a function that is compiled where it is made.
LOWER_CASE = {
    "apps/commands/main.py:app",
    "apps/commands/models/models.py:app",
}
CONSTANT_OR_TYPE = re.compile(r"_?[A-Z]\w*|__\w+__")
SILENCE = re.compile(r"type:\s*ignore|noqa|no cover|ruff:|mypy:")
CHANGES = {"add", "append", "clear", "extend", "insert", "pop", "remove", "setdefault", "update"}

# Classes of these names are the same part of several networks, codecs or trainers.
SAME_PART = {
    "Decode",
    "DecodeStreaming",
    "Decoder",
    "Embed",
    "EmbedParams",
    "Encode",
    "EncodeStreaming",
    "Encoder",
    "Quantize",
    "QuantizeParams",
    "TextIds",
    "Vocabulary",
}
# Rooms, and what the largest may hold of the product's lines.
ROOMS = (
    "soundstage",
    "graph",
    "presets",
    "audio",
    "kernels",
    "stages",
    "runners",
    "verification",
    "testing",
    "apps",
    "training",
)
LARGEST_SHARE = 0.25
FLAT_FILES = 20
# Descriptions of music, which are no code.
DATA = "training/corpus/genres"


@cache
def tree(name):
    """A file's syntax; files are parsed in the process that runs these tests alone."""
    return ast.parse(SOURCES[name].read_text("utf-8"))


def functions(name):
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in ast.walk(tree(name)) if isinstance(node, kinds)]


def code_lines(function):
    """How many lines a function's body has.

    Docstrings say what they must, and a command's signature is a table of its options.
    """
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def assigned(name):
    """The names a module assigns at its top."""
    targets = []
    for node in tree(name).body:
        targets += node.targets if isinstance(node, ast.Assign) else []
        targets += [node.target] if isinstance(node, ast.AnnAssign) else []
    parts = [part for target in targets for part in ast.walk(target)]
    return {part.id for part in parts if isinstance(part, ast.Name)}


def written(node):
    """What a statement or call changes in place, as code: `X` for `X[0] = 1` and `X.append(1)`."""
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        return ast.unparse(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return ast.unparse(node.func.value) if node.func.attr in CHANGES else None
    return None


def test_no_file_is_long():
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in SOURCES.items()}
    assert {name: count for name, count in lines.items() if count > FILE_LINES} == {}


def test_every_function_fits_a_screen_and_every_exception_is_needed():
    long = {
        f"{name}:{node.name}": code_lines(node)
        for name in SOURCES
        for node in functions(name)
        if code_lines(node) > FUNCTION_LINES
    }
    assert {key for key, lines in long.items() if lines > LONGER.get(key, 0)} == set()
    assert long.keys() == LONGER.keys(), "strike what fits a screen by now off the table"


def test_stages_and_graphs_take_no_keywords_of_any_name():
    names = [name for name in SOURCES if name.startswith(("graph/", "stages/"))]
    found = {f"{name}:{node.name}" for name in names for node in functions(name) if node.args.kwarg}
    assert found == KEYWORDS_OF_ANY_NAME


def test_modules_hold_constants_types_and_functions_and_change_none():
    variables, changed = set(), set()
    for name in PACKAGES:
        names, nodes = assigned(name), list(ast.walk(tree(name)))
        variables |= {f"{name}:{n}" for n in names if not CONSTANT_OR_TYPE.fullmatch(n)}
        changed |= {f"{name}:{n}" for n in names & {written(node) for node in nodes}}
        changed |= {f"{name}:{node.names}" for node in nodes if isinstance(node, ast.Global)}
    assert variables == LOWER_CASE
    assert changed == set()


def test_no_complaint_of_a_checker_is_silenced():
    silenced = set()
    for name, path in SOURCES.items():
        if not SILENCE.search(path.read_text("utf-8")):
            continue  # reading a file's tokens takes long
        with tokenize.open(path) as file:
            tokens = list(tokenize.generate_tokens(file.readline))
        comments = [token for token in tokens if token.type == tokenize.COMMENT]
        silenced |= {f"{name}:{c.start[0]}" for c in comments if SILENCE.search(c.string)}
    assert silenced == set()


def test_no_room_is_larger_than_a_quarter_of_the_product():
    lines = {
        room: sum(
            len(path.read_text("utf-8").splitlines())
            for path in (ROOT / room).rglob("*.py")
            if not path.is_relative_to(ROOT / DATA)
        )
        for room in ROOMS
    }
    shares = {room: count / sum(lines.values()) for room, count in lines.items()}
    assert {room: share for room, share in shares.items() if share > LARGEST_SHARE} == {}


def test_no_folder_holds_more_modules_than_can_be_surveyed():
    folders = Counter(str(Path(name).parent) for name in SOURCES)
    assert {folder: count for folder, count in folders.items() if count > FLAT_FILES} == {}


def test_a_class_name_means_one_thing():
    places = Counter(
        node.name for name in PACKAGES for node in tree(name).body if isinstance(node, ast.ClassDef)
    )
    assert {name for name, count in places.items() if count > 1} == SAME_PART


def test_a_file_name_occurs_once_in_a_room():
    """Networks, codecs and trainers have the same parts; a folder of each has its own."""
    alike = ("__init__.py", "__main__.py")
    for room in ROOMS:
        paths = [Path(name) for name in PACKAGES if name.startswith(f"{room}/")]
        names = Counter(path.name for path in paths if path.name not in alike)
        twice = {name for name, count in names.items() if count > 1}
        if room not in ("stages", "training"):
            assert twice == set(), room
