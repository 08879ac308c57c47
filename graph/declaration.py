"""Imports the class of a stage and reads its declaration; builds no stage."""

import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import ValidationError

from soundstage.graph import validation
from soundstage.graph.port import Port
from soundstage.graph.problem import Problem, suggest


def load_class(where: str, use: str, allow: tuple[str, ...]) -> tuple[Any, list[Problem]]:
    """Imports the class that `use` names.

    Args:
        where: the name of the stage, quoted in problems.
        use: "module:Class".
        allow: the module must start with one of these prefixes, so that a pipeline file cannot
            import arbitrary code.

    Returns:
        The class, or None, and the problems.
    """
    module_name, _, class_name = use.partition(":")
    if not class_name:
        cure = 'write "module:Class", e.g. "stages.toy:SineDecode"'
        return None, [Problem(where, f"use = {use!r} names no class", cure)]
    if not any(f"{module_name}.".startswith(f"{prefix.rstrip('.')}.") for prefix in allow):
        cure = f"allow it with --allow {module_name.partition('.')[0]}"
        allowed = ", ".join(prefix.rstrip(".") for prefix in allow)
        return None, [Problem(where, f"module {module_name!r} is outside {allowed}", cure)]
    try:
        module = importlib.import_module(_importable(module_name))
    # A module may raise anything while it is imported: a problem of the pipeline that names it.
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        return None, [Problem(where, f"cannot import {module_name!r}: {reason}")]
    cls = getattr(module, class_name, None)
    if cls is None:
        replaced = getattr(module, "REPLACED", {})
        cure = replaced.get(class_name) or suggest(class_name, _stage_names(module))
        return None, [Problem(where, f"{module_name} has no class {class_name!r}", cure)]
    try:
        problems = declaration_problems(where, use, cls)
    # A class may raise anything when its attributes are read.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        problems = [Problem(where, f"{use} cannot be read: {reason}")]
    return (None if problems else cls), problems


def make_params(where: str, cls: Any, params: Mapping[str, Any]) -> tuple[Any, list[Problem]]:
    """Fills a stage's `Params` from the file's `params = {...}`.

    Returns:
        The instance, or None if the stage takes none, and the problems.
    """
    declared = getattr(cls, "Params", None)
    known = [field.name for field in fields(declared)] if declared else []
    problems = [
        Problem(f"{where}.params", f"no parameter named {key!r}", suggest(key, known))
        for key in params
        if key not in known
    ]
    problems += [
        Problem(f"{where}.params.{key}", f"{value} is not a finite number")
        for key, value in validation.not_finite(params)
    ]
    if problems or declared is None:
        return None, problems
    try:
        return validation.read(declared, params), []
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            key = ".".join([where, "params", *map(str, error["loc"])])
            what, cure = validation.explain(error)
            if what == "missing":
                cure += "; a `use` that --set changes loses the params of the class before"
            problems.append(Problem(key, what, cure))
        return None, problems
    # A user's dataclass may be of types that cannot be checked, or raise anything.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return None, [Problem(f"{where}.params", f"Params cannot be made: {reason}")]


def signature_problems(where: str, use: str, cls: Any) -> Iterator[Problem]:
    """Yields the problems of a class that cannot be built or called as a runner does it.

    A stage with a memo is called with `memo`, too, and its `rebuild` with the inputs named there.

    Args:
        where: the name of the stage, quoted in problems.
        use: "module:Class".
        cls: a class whose ports are declared.
    """
    reason = _refused_call(cls, (None, None, None), {})
    if reason:
        cure = "declare __init__(self, params, format, device)"
        yield Problem(where, f"{use} cannot be built: {reason}", cure)
    memo = memo_of(cls)
    inputs = [*cls.inputs, *(["memo"] if memo else [])]
    yield from _method_problems(where, use, cls, "__call__", inputs)
    if memo:
        yield from _method_problems(where, use, cls, "rebuild", memo)


def memo_of(cls: Any) -> tuple[str, ...]:
    """Returns the inputs that a stage's memo is a function of; empty = it has no memo.

    Args:
        cls: a class whose ports are declared.
    """
    return tuple(getattr(cls, "memo", ()))


def uses_device(cls: Any) -> bool:
    """Whether a stage computes with JAX; one that does not may be built without a device."""
    return bool(getattr(cls, "uses_device", True))


def _method_problems(
    where: str, use: str, cls: Any, method: str, arguments: Sequence[str]
) -> Iterator[Problem]:
    function = inspect.getattr_static(cls, method, None) if isinstance(cls, type) else None
    names = ", ".join(["self", *arguments])
    called = "called" if method == "__call__" else "asked for its memo"
    if isinstance(cls, type) and function is None:
        yield Problem(where, f"{use} cannot be {called}", f"declare {method}({names})")
    elif inspect.isfunction(function):
        reason = _refused_call(function, (None,), dict.fromkeys(arguments))
        if reason:
            what = f"{use} cannot be {called} with its inputs: {reason}"
            yield Problem(where, what, f"declare {method}({names})")


def optional_inputs(cls: Any) -> frozenset[str]:
    """Returns the inputs that a pipeline may leave unwired: those that default to None.

    If a class calls its inputs `**inputs`, as one does that passes them on to its base class, the
    base class tells.

    Args:
        cls: a class whose ports are declared.
    """
    optional: set[str] = set()
    needed: set[str] = set()
    for base in inspect.getmro(cls) if isinstance(cls, type) else ():
        call = vars(base).get("__call__")
        if call is None:
            continue
        if not inspect.isfunction(call):
            break
        parameters = inspect.signature(call).parameters
        named = {name for name, value in parameters.items() if value.default is not None}
        optional |= parameters.keys() - named - needed
        needed |= named
        if all(value.kind is not value.VAR_KEYWORD for value in parameters.values()):
            break
    return frozenset(optional & cls.inputs.keys())


def _refused_call(function: Any, positional: tuple[None, ...], named: Mapping[str, None]) -> str:
    """Returns why a function refuses these arguments; "" = it does not, or is not known."""
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return ""
    try:
        signature.bind(*positional, **named)
    except TypeError as error:
        return str(error)
    return ""


def _importable(module_name: str) -> str:
    """Returns a module's full name: "stages.x" in a pipeline file is "soundstage.stages.x"."""
    is_own = f"{module_name}.".startswith("stages.")
    return f"soundstage.{module_name}" if is_own else module_name


def _stage_names(module: object) -> list[str]:
    return [name for name, value in vars(module).items() if hasattr(value, "inputs")]


def declaration_problems(where: str, use: str, cls: Any) -> list[Problem]:
    """Returns the problems of a class whose tables of ports or parameters are not declared.

    Args:
        where: the name of the stage, quoted in problems.
        use: "module:Class".
        cls: what `use` names; may be anything.
    """
    undeclared = [name for name in ("inputs", "outputs") if not _is_ports(getattr(cls, name, None))]
    problems = []
    if undeclared:
        what = f"{use} is no stage: it does not declare its {' and '.join(undeclared)}"
        problems.append(Problem(where, what, "see graph.stage"))
    params = getattr(cls, "Params", None)
    if params is not None and not is_dataclass(params):
        problems.append(Problem(where, f"{use}.Params is not a dataclass", "see graph.stage"))
    if not undeclared:
        problems += _memo_problems(where, use, cls)
    return problems


def _memo_problems(where: str, use: str, cls: Any) -> Iterator[Problem]:
    memo = getattr(cls, "memo", ())
    if not isinstance(memo, tuple) or not all(isinstance(name, str) for name in memo):
        cure = 'write memo = ("past",), the inputs that the memo is a function of'
        yield Problem(where, f"{use}.memo is {memo!r}, not a tuple of its inputs", cure)
        return
    if memo and "memo" in cls.inputs:
        yield Problem(where, f"{use} has an input 'memo' and a memo", "rename the input")
    for name in memo:
        before, after = cls.inputs.get(name), cls.outputs.get(name)
        if before is None or after is None or not before.fits(after):
            what = f"{use}.memo names {name!r}, which is no input with an output of the same port"
            yield Problem(where, what, "a memo belongs to state: fed back from the stage itself")
        elif before.ragged or before.dtype == "utf8":
            yield Problem(where, f"{use}.memo names {name!r}, a ragged or text port", "")


def _is_ports(table: object) -> bool:
    return isinstance(table, Mapping) and all(isinstance(port, Port) for port in table.values())
