"""Makes docs/api.md, the page of the public Python API, from docstrings.

python docs/api_page.py > docs/api.md
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import soundstage
from soundstage import testing

HEAD = """# The Python API

<!-- Made by `python docs/api_page.py > docs/api.md`: change the docstrings instead. -->

All public names, from their docstrings. `import soundstage` takes a few milliseconds; each name is
imported at its first use. Examples are in [README.md](../README.md#in-python),
[playing.md](playing.md#in-python) and [stages.md](stages.md).

An array's shape is written `[row, sample, channel]`, one word a dimension; a row is one stream.
Lengths are in seconds (`_s`), rates in hertz (`_hz`), levels in decibels (`_db`); audio is float32,
1.0 = full scale. Every error that soundstage raises on purpose is a `soundstage.Error`.
"""
KINDS = ("Functions", "Classes", "Errors and warnings")
WIDTH = 96
# Special methods with docstrings of their own, as people write them.
SPECIAL = {"__next__": "next(session)", "__anext__": "await anext(session)", "__call__": "call"}
_SECTION = re.compile(r"([A-Z][A-Za-z, ]*):")
_MODULE = re.compile(r"\b(?:\w+\.)+(?=\w)")
_ITEM = re.compile(r"\*{0,2}[\w.]+: ")


def public_names() -> dict[str, Any]:
    """Returns every public object but modules, by the name that users write."""
    names = {f"soundstage.{name}": getattr(soundstage, name) for name in soundstage.__all__}
    names |= {f"soundstage.testing.{name}": getattr(testing, name) for name in testing.__all__}
    return {name: names[name] for name in sorted(names) if not inspect.ismodule(names[name])}


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """Yields the documented methods and properties of a class, in the order of the source."""
    for name, member in vars(cls).items():
        is_shown = not name.startswith("_") or name in SPECIAL
        if is_shown and (callable(_function(member)) or isinstance(member, property)):
            yield name, member


def page() -> str:
    """Returns the whole page, as Markdown."""
    lines = [HEAD]
    names = public_names()
    for kind in KINDS:
        lines.append(f"## {kind}\n")
        for name, each in names.items():
            if kind == _kind(each):
                lines += _entry(name, each)
    lines += ["## Values\n", "### soundstage.\\_\\_version\\_\\_\n", "The version, a text.\n"]
    return "\n".join(lines).rstrip("\n") + "\n"


def _kind(each: Any) -> str:
    if inspect.isclass(each):
        return KINDS[2] if issubclass(each, Exception) else KINDS[1]
    return KINDS[0] if callable(each) else ""


def _function(member: Any) -> Any:
    return member.__func__ if isinstance(member, classmethod | staticmethod) else member


def _entry(name: str, each: Any) -> Iterator[str]:
    yield f"### {name}\n"
    if not inspect.isclass(each):
        yield _signature(name, each)
        yield _rendered(each)
        return
    if not issubclass(each, Exception) and not getattr(each, "_is_protocol", False):
        yield _signature(name, each)
    yield _rendered(each)
    if issubclass(each, soundstage.Error):
        yield _exit_code(each)
    constructor = vars(each).get("__init__")
    if constructor is not None and constructor.__doc__ and "Args:" in constructor.__doc__:
        yield _rendered(constructor)
    for member_name, member in members(each):
        short = f"{each.__name__}.{member_name}"
        yield f"#### {SPECIAL.get(member_name, short)}\n"
        if not isinstance(member, property):
            yield _signature(short, _function(member))
        yield _rendered(member)


def _exit_code(error: type[soundstage.Error]) -> str:
    builtin = [base.__name__ for base in error.__bases__ if base.__module__ == "builtins"]
    also = "".join(f" It is a `{name}`, too." for name in builtin if name != "Exception")
    return f"[Exit code](commands.md#exit-codes) {error.exit_code}.{also}\n"


def _signature(name: str, function: Any) -> str:
    signature = inspect.signature(function)
    separated = list(_parameters(signature.parameters))
    ending = inspect.Signature.empty if inspect.isclass(function) else signature.return_annotation
    returned = "" if ending is inspect.Signature.empty else f" -> {_written(ending)}"
    line = f"{name}({', '.join(separated)}){returned}"
    if len(line) <= WIDTH:
        return textwrap.indent(line, "    ") + "\n"
    inner = "".join(f"    {each},\n" for each in separated)
    return textwrap.indent(f"{name}(\n{inner}){returned}", "    ") + "\n"


def _parameters(parameters: Mapping[str, inspect.Parameter]) -> Iterator[str]:
    """Yields the parameters as people write them, with `/` and `*` between the kinds."""
    before = None
    for name, parameter in parameters.items():
        if name == "self" or name.startswith("_"):
            continue
        if before is inspect.Parameter.POSITIONAL_ONLY is not parameter.kind:
            yield "/"
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY is not before:
            yield "*"
        before = parameter.kind
        stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
        typed = parameter.annotation is not inspect.Parameter.empty
        text = stars.get(parameter.kind, "") + name
        text += f": {_written(parameter.annotation)}" if typed else ""
        if parameter.default is not inspect.Parameter.empty:
            equals = " = " if typed else "="
            text += f"{equals}{parameter.default!r}"
        yield text


def _written(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return _MODULE.sub("", text)


def _rendered(each: Any) -> str:
    """Returns a docstring as Markdown: sections in bold, their entries as a list."""
    blocks: list[str] = []
    lines = (inspect.getdoc(each) or "").splitlines()
    while lines:
        line = lines.pop(0)
        match = _SECTION.fullmatch(line)
        if match is None or not (lines and lines[0].startswith("    ")):
            blocks.append(line)
            continue
        body = []
        while lines and (not lines[0] or lines[0].startswith("    ")):
            body.append(lines.pop(0))
        blocks += [f"**{match[1]}**", "", *_items(textwrap.dedent("\n".join(body))), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(blocks)).strip("\n") + "\n"


def _items(body: str) -> Iterator[str]:
    """Yields a section's lines: a list if each of its paragraphs names something."""
    lines = body.strip("\n").splitlines()
    if not all(_ITEM.match(line) for line in lines if line and not line.startswith(" ")):
        yield from lines
        return
    for line in lines:
        name, colon, text = line.partition(": ")
        yield f"- `{name}`{colon}{text}" if _ITEM.match(line) else f"  {line.strip()}".rstrip()


if __name__ == "__main__":
    print(page(), end="")
