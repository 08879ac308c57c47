"""Checks a pipeline before anything is loaded, and reports all its problems at once."""

import re
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from soundstage.graph import validation
from soundstage.graph.control import ControlError, to_row
from soundstage.graph.declaration import (
    load_class,
    make_params,
    memo_of,
    optional_inputs,
    signature_problems,
)
from soundstage.graph.format import Format
from soundstage.graph.placement import placement_problems
from soundstage.graph.plan import (
    CLOCK,
    Control,
    FromClock,
    FromControl,
    FromPast,
    FromStage,
    Graph,
    Node,
    Source,
)
from soundstage.graph.port import Port
from soundstage.graph.problem import PipelineError, Problem, suggest
from soundstage.graph.spec import FeedbackSpec, PipelineSpec, StageSpec, parse_format
from soundstage.graph.texts import texts

ALLOWED = ("stages.",)
RESERVED = ("in", "clock")
_SOURCE = re.compile(r"[A-Za-z_]\w*\.[A-Za-z_]\w*")


def build(spec: PipelineSpec, allow: Iterable[str] = ()) -> Graph:
    """Checks a spec and returns the graph it describes.

    Args:
        spec: a parsed pipeline file.
        allow: prefixes of modules, besides "stages.", that `use` may name.

    Raises:
        PipelineError: with every problem found.
    """
    graph, problems = check(spec, allow)
    if graph is None:
        raise PipelineError([problem for problem in problems if not problem.warning])
    return graph


def check(spec: PipelineSpec, allow: Iterable[str] = ()) -> tuple[Graph | None, list[Problem]]:
    """Finds all problems of a spec; imports the stages' modules, builds no stage.

    Returns:
        The graph, or None if it cannot run, and all problems, warnings included.

    Raises:
        UsageError: `allow` is a text, or holds something else than texts.
    """
    format, problems = parse_format(spec.format)
    checker = _Checker(spec, format or Format(), (*ALLOWED, *texts("allow", allow)))
    problems += checker.run()
    if any(not problem.warning for problem in problems):
        return None, problems
    return checker.graph(), problems


class _Checker:
    """The check of one spec; a class because every rule reads the same half-dozen tables."""

    def __init__(self, spec: PipelineSpec, format: Format, allow: tuple[str, ...]):
        self.spec = spec
        self.format = format
        self.classes: dict[str, Any] = {}
        self.params: dict[str, Any] = {}
        self.sources: dict[str, dict[str, Source]] = {name: {} for name in spec.stage}
        self.outputs: dict[str, FromStage] = {}
        self.controls: dict[str, Control] = {}
        self.class_problems: list[Problem] = []
        self.initial_values: dict[str, int | float] = {}
        for name, stage in spec.stage.items():
            cls, problems = load_class(f"stage.{name}", stage.use, allow)
            self.class_problems += problems
            if cls is not None:
                self.classes[name] = cls
                self.params[name], problems = make_params(f"stage.{name}", cls, stage.params)
                self.class_problems += problems

    def run(self) -> list[Problem]:
        problems = [*self._names(), *self.class_problems]
        problems += self._dimensions()
        for name, stage in self.spec.stage.items():
            problems += self._inputs(name, stage)
        problems += self._outputs()
        problems += self._cycles()
        problems += self._controls()
        problems += self._placement()
        problems += self._unused()
        problems += self._memos()
        # Parameters are compared with the declared ports once those are right.
        if all(problem.warning for problem in problems):
            problems += self._signatures()
        return problems

    def graph(self) -> Graph:
        nodes = {
            name: Node(
                name,
                self.spec.stage[name].use,
                self.classes[name],
                self.params[name],
                self.sources[name],
                self.spec.placement_of(name),
            )
            for name in self._order().static_order()
        }
        return Graph(self.spec, self.format, nodes, self.outputs, self.controls, self.spec.digest())

    def _names(self) -> Iterator[Problem]:
        for name in self.spec.stage:
            if name in RESERVED:
                yield Problem(f"stage.{name}", "this name is taken", "rename the stage")
        for table, names in (("stage", self.spec.stage), ("outputs", self.spec.outputs)):
            for name in names:
                if not name.isidentifier():
                    yield Problem(f"{table}.{name}", "not a name", "use letters, digits and _")
        if not self.spec.stage:
            yield Problem("stage", "the pipeline has no stages", "add a [stage.NAME] table")
        if not self.spec.outputs:
            yield Problem("outputs", "the pipeline has no outputs", 'add audio = "stage.port"')

    def _signatures(self) -> Iterator[Problem]:
        for name, cls in self.classes.items():
            yield from signature_problems(f"stage.{name}", self.spec.stage[name].use, cls)

    def _dimensions(self) -> Iterator[Problem]:
        for name, cls in self.classes.items():
            for key, port in (*cls.inputs.items(), *cls.outputs.items()):
                for dim in set(port.fixed_shape) - set(self.format.dims):
                    cure = suggest(dim, self.format.dims)
                    yield Problem(f"{name}.{key}", f"the format has no dimension {dim!r}", cure)

    def _inputs(self, name: str, stage: StageSpec) -> Iterator[Problem]:
        cls = self.classes.get(name)
        for key, written in stage.inputs.items():
            port = cls.inputs.get(key) if cls else None
            if cls and port is None:
                cure = f"it has {sorted(cls.inputs)}"
                yield Problem(f"stage.{name}", f"no input named {key!r}", cure)
            yield from self._wire(name, key, port, written)
        for key in cls.inputs if cls else ():
            if key not in stage.inputs and key not in optional_inputs(cls):
                cure = f'add {key} = "stage.port" to its inputs'
                yield Problem(f"stage.{name}", f"input {key!r} is not wired", cure)

    def _wire(
        self, name: str, key: str, port: Port | None, written: str | FeedbackSpec
    ) -> Iterator[Problem]:
        text = written if isinstance(written, str) else written.from_
        edge = f"{text} -> {name}.{key}"
        if not _SOURCE.fullmatch(text):
            cure = 'write "stage.port", "in.control" or "clock.chunk"'
            yield Problem(edge, f"{text!r} is not a source", cure)
            return
        origin, _, leaf = text.partition(".")
        if origin in RESERVED:
            yield from self._wire_outside(name, key, port, origin, leaf, written)
            return
        problem, source_port = self._find(edge, origin, leaf)
        if problem:
            yield problem
        if source_port is None:
            return
        if isinstance(written, FeedbackSpec):
            self.sources[name][key] = FromPast(origin, leaf, written.init)
            yield from self._initial(edge, source_port, FromPast(origin, leaf, written.init))
        else:
            self.sources[name][key] = FromStage(origin, leaf)
        if port and not port.fits(source_port):
            yield Problem(edge, _mismatch(source_port, port, self.format.dims))

    def _initial(self, edge: str, port: Port, source: FromPast) -> Iterator[Problem]:
        if port.ragged or port.dtype == "utf8":
            what = "a ragged or text port cannot be fed back: it has no initial value"
            yield Problem(edge, what)
            return
        if not port.holds(source.init):
            yield Problem(edge, f"init {source.init} does not fit {port.dtype}")
            return
        first = self.initial_values.setdefault(str(source), source.init)
        if source.init != first:
            cure = "write the same init at every reader of the port"
            yield Problem(edge, f"init {source.init} differs from init {first} elsewhere", cure)

    def _wire_outside(
        self,
        name: str,
        key: str,
        port: Port | None,
        origin: str,
        leaf: str,
        written: str | FeedbackSpec,
    ) -> Iterator[Problem]:
        edge = f"{origin}.{leaf} -> {name}.{key}"
        if isinstance(written, FeedbackSpec):
            yield Problem(edge, "only a stage's output can be fed back", "drop delay and init")
        elif origin == "clock":
            if leaf not in CLOCK:
                yield Problem(edge, f"the clock has no {leaf!r}", suggest(leaf, CLOCK))
            elif port and not port.fits(CLOCK[leaf]):
                yield Problem(edge, _mismatch(CLOCK[leaf], port, self.format.dims))
            self.sources[name][key] = FromClock(leaf)
        else:
            if leaf not in self.spec.inputs:
                cure = f"add {leaf} = ... there (--set inputs.{leaf}=...), or "
                cure += suggest(leaf, self.spec.inputs)
                yield Problem(f"stage.{name}.{key}", f"[inputs] has no {leaf!r}", cure)
            self.sources[name][key] = FromControl(leaf)

    def _find(self, edge: str, stage: str, leaf: str) -> tuple[Problem | None, Port | None]:
        if stage not in self.spec.stage:
            return Problem(edge, f"no stage named {stage!r}", suggest(stage, self.spec.stage)), None
        cls = self.classes.get(stage)
        if cls is None:
            return None, None
        if leaf not in cls.outputs:
            return Problem(
                edge, f"{stage} has no output {leaf!r}", suggest(leaf, cls.outputs)
            ), None
        return None, cls.outputs[leaf]

    def _outputs(self) -> Iterator[Problem]:
        for name, text in self.spec.outputs.items():
            edge = f"{text} -> outputs.{name}"
            stage, _, leaf = text.partition(".")
            if not _SOURCE.fullmatch(text) or stage in RESERVED:
                yield Problem(edge, "an output is a stage's port", 'write "stage.port"')
                continue
            problem, _ = self._find(edge, stage, leaf)
            if problem:
                yield problem
            self.outputs[name] = FromStage(stage, leaf)

    def _order(self) -> TopologicalSorter[str]:
        # Lists, not sets: the order of a set of texts differs from one process to the next.
        needs = {
            name: [s.stage for s in sources.values() if isinstance(s, FromStage)]
            for name, sources in self.sources.items()
        }
        return TopologicalSorter(needs)

    def _cycles(self) -> Iterator[Problem]:
        try:
            self._order().prepare()
        except CycleError as error:
            path = " -> ".join(error.args[1])
            cure = "make one of its edges feedback: { from = ..., delay = 1, init = ... }"
            yield Problem("graph", f"a cycle without delay: {path}", cure)

    def _controls(self) -> Iterator[Problem]:
        for name, default in self.spec.inputs.items():
            readers = [
                (stage, key, self.classes[stage].inputs[key])
                for stage, sources in self.sources.items()
                for key, source in sources.items()
                if source == FromControl(name)
                and stage in self.classes
                and key in self.classes[stage].inputs
            ]
            if not readers:
                yield Problem(f"inputs.{name}", "no stage reads it", "remove it", warning=True)
                for key, number in validation.not_finite({name: default}):
                    yield Problem(f"inputs.{key}", f"{number} is not a finite number")
                continue
            first_stage, first_key, port = readers[0]
            for stage, key, other in readers[1:]:
                if not port.fits(other):
                    mismatch = _mismatch(port, other, self.format.dims)
                    where = f"in.{name} -> {stage}.{key}"
                    yield Problem(where, f"{first_stage}.{first_key} reads it too: {mismatch}")
            try:
                row = to_row(name, default, port, self.format.dims)
                self.controls[name] = Control(port, row)
            except ControlError as error:
                reason = str(error).removeprefix(f"{name}: ")
                yield Problem(f"inputs.{name}", f"the default does not fit: {reason}")

    def _placement(self) -> Iterator[Problem]:
        for name in self.spec.placement:
            if name != "default" and name not in self.spec.stage:
                known = ["default", *self.spec.stage]
                yield Problem(f"placement.{name}", "no such stage", suggest(name, known))
            yield from placement_problems(f"placement.{name}", self.spec.placement_of(name))

    def _unused(self) -> Iterator[Problem]:
        read = {str(source) for sources in self.sources.values() for source in sources.values()}
        read |= {str(source) for source in self.outputs.values()}
        for name, cls in self.classes.items():
            for key, port in cls.outputs.items():
                if f"{name}.{key}" not in read and not port.optional:
                    yield Problem(f"{name}.{key}", "nothing reads this output", warning=True)

    def _memos(self) -> Iterator[Problem]:
        """Warns of memos that belong to a value which is not fed back: none is ever found again."""
        for name, cls in self.classes.items():
            for key in memo_of(cls):
                source = self.sources[name].get(key)
                if not isinstance(source, FromPast) or (source.stage, source.port) != (name, key):
                    cure = f'write {key} = {{ from = "{name}.{key}", delay = 1, init = ... }}'
                    what = "its memo is rebuilt in every tick"
                    yield Problem(f"stage.{name}.{key}", what, cure, warning=True)


def _mismatch(source: Port, sink: Port, dims: Mapping[str, int]) -> str:
    if source.kind != sink.kind:
        return f"kind {source.kind} does not fit {sink.kind}"
    if source.dtype != sink.dtype:
        return f"dtype {source.dtype} does not fit {sink.dtype}"
    return f"shape {source.spelled_shape(dims)} does not fit {sink.spelled_shape(dims)}"
