"""Commands that are shown and that CI does not run: their names, options and values exist.

Blocks between ``` run (test_snippets.py). Commands in indented blocks of a document need a sound
card, published weights, files of the user, a cluster or hours, and so do most examples of help
texts and docstrings: here they are read up to the moment in which they would begin.
"""

import argparse
import importlib
import re
import runpy
import shlex
import sys
from itertools import takewhile
from pathlib import Path

import pytest
import typer.core

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
ROOMS = ("apps", "training", "benchmarks")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
OURS = re.compile(
    r"(?:\bsoundstage|\bpython (?P<script>benchmarks/\S+\.py)"
    r"|\bpython -m (?P<module>soundstage\.training\.\w+)) (?P<words>.*)"
)
# An example in a help text or docstring; it may go on in the next lines.
EXAMPLE = re.compile(
    r"^(?: {4})?((?:soundstage|python) \S.*(?:\n(?! *(?:soundstage|python) ) *\S.*)*)$",
    re.MULTILINE,
)
AFTER_A_COMMAND = {"&&", ";", "|", ">"}
# A line of another language or another program's output, and forms with words to be filled in.
NOT_A_COMMAND = re.compile(r"^soundstage:|`soundstage|\bimport soundstage|^docker ")
FORM = re.compile(r"\[--|\.\.\.$| [A-Z]{3,}$")


class Accepted(BaseException):
    """The command line was read; the command would begin now. No handler of errors catches it."""


def shown_lines():
    """(file, line) of every line that may be a command: of documents, help texts, docstrings."""
    for document in DOCUMENTS:
        text = FENCED.sub("", document.read_text("utf-8"))
        for line in re.findall(r"^    (\S.*)$", text, re.MULTILINE):
            yield document, line
    for source in (path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))):
        for lines in EXAMPLE.findall(source.read_text("utf-8")):
            yield source, " ".join(lines.partition('"""')[0].split())


def command_lines():
    """(file, line) of every command of ours that can be read."""
    for path, line in shown_lines():
        if OURS.search(line) and not (NOT_A_COMMAND.search(line) or FORM.search(line)):
            yield path.relative_to(ROOT), line


def read(line):
    """Reads the command of a line, and raises `Accepted` before it begins."""
    found = OURS.search(line)
    shell = shlex.shlex(found["words"], posix=True, punctuation_chars=True)
    shell.whitespace_split = True
    words = takewhile(lambda word: word not in AFTER_A_COMMAND, shell)
    sys.argv = [found[0], *words]
    if found["script"]:
        runpy.run_path(str(ROOT / found["script"]), run_name="__main__")
    elif found["module"]:
        importlib.import_module(f"{found['module']}.command").main()
    else:
        importlib.import_module("soundstage.apps.commands.main").main()


@pytest.fixture
def accepting(monkeypatch):
    """Commands stop once their options are read."""
    parse_args = argparse.ArgumentParser.parse_args

    def accept(context, *given, **options):
        # A group of commands is asked first, with the name of the command; that one comes next.
        if context.invoked_subcommand is None:
            raise Accepted

    def parse_and_accept(parser, *given):
        parse_args(parser, *given)
        raise Accepted

    monkeypatch.setattr(typer.core.TyperCommand.context_class, "invoke", accept)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_accept)
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", [*sys.path])


LINES = list(command_lines())


def test_lines_are_found():
    assert len(LINES) > 150


@pytest.mark.parametrize(("path", "line"), LINES, ids=str)
def test_every_command_line_is_accepted(path, line, accepting):
    with pytest.raises(Accepted):
        read(line)


@pytest.mark.parametrize(
    "line",
    [
        "soundstage serve base --engine 4",
        "soundstage generate house --duration long",
        "soundstage models fetch large",
        "python benchmarks/rows.py --chunk 3 --row two",
        "python -m soundstage.training.corpus --minutes none",
        "python -m soundstage.training.style --corpora corpus --run runs",
    ],
)
def test_wrong_command_line_is_not_accepted(line, accepting):
    with pytest.raises(SystemExit) as ended:
        read(line)
    assert ended.value.code == 2
