"""Holds a stage class against the contract of stages."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from soundstage.errors import Error, StageError
from soundstage.graph import wire
from soundstage.graph.declaration import (
    declaration_problems,
    make_params,
    memo_of,
    optional_inputs,
    signature_problems,
)
from soundstage.graph.format import Format
from soundstage.graph.port import Tensor
from soundstage.graph.problem import PipelineError, suggest
from soundstage.runners.compilation import use_compilation_cache
from soundstage.testing.example_inputs import ExampleInputs, MakeValue, digest
from soundstage.testing.memo_check import memo_faults
from soundstage.testing.new_process import CallRequest, build_stage, call_stage, digests_of

# Another number of rows means another matrix product, which may round differently.
RELATIVE, ABSOLUTE = 1e-4, 1e-5
_SEEDS, _OTHER_SEEDS = (0, 1, 2), (0, 9, 2)
_KEPT_ROWS = (0, 2)
_MOST_CALLS, _LONGEST_S = 9, 1.0


class ContractBroken(Error, AssertionError):
    """A stage breaks the contract of stages.

    Attributes:
        stage: the stage, as "module:Class".
        faults: every fault that was found, in one line each.
    """

    exit_code = 7

    def __init__(self, stage: str, faults: tuple[str, ...]) -> None:
        self.stage = stage
        self.faults = faults
        super().__init__(f"{stage} breaks the contract of stages: {'; '.join(faults)}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the attributes: by default, an exception is rebuilt from its message."""
        return ContractBroken, (self.stage, self.faults)


@dataclass(frozen=True)
class ContractReport:
    """What was checked of a stage that keeps the contract; `print` shows it.

    Attributes:
        stage: the stage, as "module:Class".
        checked: what was checked, in words.
        skipped: what was not, and why, in words.
        tick_s: the median time of a call with one row, in seconds, on this machine's CPU.
        chunk_s: the music of a call, in seconds.
    """

    stage: str
    checked: tuple[str, ...]
    skipped: tuple[str, ...]
    tick_s: float
    chunk_s: float

    def __str__(self) -> str:
        share = 100 * self.tick_s / self.chunk_s
        lines = [f"{self.stage} keeps the contract of stages"]
        lines += [f"checked  {text}" for text in self.checked]
        lines += [f"skipped  {text}" for text in self.skipped]
        lines.append(
            f"time     {1000 * self.tick_s:.2f} ms a tick of {self.chunk_s:g} s, {share:.2f} %"
        )
        return "\n".join(lines)


def check_stage(
    stage: type,
    params: Mapping[str, Any] | None = None,
    *,
    format: Format | None = None,
    values: Mapping[str, MakeValue] | None = None,
    new_process: bool = True,
    unwired: bool = True,
) -> ContractReport:
    """Checks that a stage keeps the contract of stages, with random inputs.

        def test_tremolo_is_a_stage():
            print(check_stage(Tremolo, {"rate_hz": 3.0}))

    It checks the declaration; that outputs have the declared dtypes and shapes and are finite; that
    equal inputs give equal bytes, after other inputs and in a new process; that inputs and earlier
    outputs are left as they were; that rows do not see each other; that a memo is what `rebuild`
    makes of the state; and that Ray can send the class and its parameters to another process.

    Args:
        stage: the class, which a module must have under its name.
        params: its parameters, as in a pipeline file; None = those of `Params()`.
        format: the music format; None = the default, with chunks of 2 s. A small one is faster.
        values: by input, a function `(random, shape) -> value` that makes one stream's value of the
            port's dtype; `random` is a `numpy.random.Generator`. An input without one gets a legal
            value of its port's kind, or, if the kind is new, a random number within its bounds.
        new_process: whether to call the stage in a new process, too, which takes some seconds.
        unwired: whether to call it also without the inputs that a pipeline may leave unwired;
            a network is compiled once more for that.

    Returns:
        What was checked and what was not, and the time that a call takes.

    Raises:
        ContractBroken: the stage breaks the contract; lists every fault that was found.
    """
    use_compilation_cache()
    settings = (params or {}, format or Format(), values or {}, new_process, unwired)
    check = _StageCheck(stage, *settings)
    faults = tuple(dict.fromkeys(check.run()))
    if faults:
        raise ContractBroken(check.use, faults)
    return ContractReport(
        check.use, tuple(check.checked), tuple(check.skipped), check.tick_s(), check.format.chunk_s
    )


@dataclass
class _StageCheck:
    """One check: what is checked, and what was found so far."""

    cls: Any
    params: Mapping[str, Any]
    format: Format
    values: Mapping[str, MakeValue]
    new_process: bool
    unwired: bool
    checked: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        name = getattr(self.cls, "__qualname__", repr(self.cls))
        self.use = f"{getattr(self.cls, '__module__', '?')}:{name}"

    def run(self) -> Iterator[str]:
        """Yields the faults; a fault that the rest rests on is the last."""
        faults = list(self._declaration())
        yield from faults
        if faults:
            return
        self.checked.append("declaration: ports, parameters, constructor, call")
        try:
            self.stage = build_stage(self.cls, self.params, self.format)
        # A stage may raise anything, here and when it is called.
        except (Exception, SystemExit) as error:
            yield f"it cannot be built: {_described(error)}"
            return
        yield from self._weights()
        try:
            self.example = ExampleInputs(self.cls.inputs, self.format, self.values)
            self.inputs = self.example.inputs(_SEEDS)
            self.outputs = self._call(self.inputs)
        except (Exception, SystemExit) as error:
            yield _raised(error)
            return
        misfits = list(self._outputs(self.outputs, len(_SEEDS)))
        yield from misfits
        if misfits:
            return
        self.checked.append("outputs: dtypes and shapes as declared, finite")
        try:
            yield from self._calls()
            yield from self._unwired()
            yield from memo_faults(self.stage, self.inputs, _KEPT_ROWS)
        except (Exception, SystemExit) as error:
            yield _raised(error)
            return
        if memo_of(self.cls):
            self.checked.append("memo: equals what `rebuild` makes of the state, bit for bit")
        yield from self._static_methods()
        yield from self._in_a_new_process()
        yield from self._pickling()

    def tick_s(self) -> float:
        """Returns the median time of a call with one row."""
        inputs = self.example.inputs(_SEEDS[:1])
        times: list[float] = []
        self._call(inputs)
        while len(times) < _MOST_CALLS and sum(times) < _LONGEST_S:
            start = time.perf_counter()
            self._call(inputs)
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    def _call(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        outputs: Any = call_stage(self.stage, inputs)
        if not isinstance(outputs, dict):
            kind = type(outputs).__name__
            raise StageError(f"the call returned {kind}, not a dict of the outputs")
        return dict(outputs)

    def _declaration(self) -> Iterator[str]:
        problems = declaration_problems(self.use, self.use, self.cls)
        if not problems:
            problems = list(signature_problems(self.use, self.use, self.cls))
        yield from map(_text, problems)
        if problems:
            return
        for key, port in (*self.cls.inputs.items(), *self.cls.outputs.items()):
            for name in sorted(set(port.fixed_shape) - set(self.format.dims)):
                cure = suggest(name, self.format.dims)
                yield f"port {key!r}: the format has no dimension {name!r}; {cure}"
        unknown = sorted(set(self.values) - set(self.cls.inputs))
        if unknown:
            cure = suggest(unknown[0], self.cls.inputs)
            yield f"values: no input is named {unknown[0]!r}; {cure}"
        declared = getattr(self.cls, "Params", None)
        if declared is not None and not declared.__dataclass_params__.frozen:
            yield f"{declared.__name__} is not frozen: write @dataclass(frozen=True)"
        _, problems = make_params("stage", self.cls, self.params)
        yield from map(str, problems)

    def _weights(self) -> Iterator[str]:
        """Checks the attributes that runs record; a stage without weights has none."""
        digest = getattr(self.stage, "weights_digest", None)
        note = getattr(self.stage, "weights_note", None)
        if digest is None and note is None:
            return
        if not isinstance(digest, str) or len(digest) != 64 or not _is_hex(digest):
            yield f"weights_digest is a SHA-256 of 64 hex digits, got {digest!r}"
        if not isinstance(note, str) or not note:
            yield f"weights_note is a text that says where the weights come from, got {note!r}"
        self.checked.append(f"weights: {note} ({str(digest)[:12]})")

    def _outputs(self, outputs: Mapping[str, Tensor], rows: int) -> Iterator[str]:
        """Checks that outputs fit their ports, and that their numbers are finite."""
        streams = [f"stream {row}" for row in range(rows)]
        try:
            wire.encode(self.cls.outputs, outputs, streams, [0] * rows, self.format.dims)
        except Exception as error:
            yield f"its outputs do not fit their ports: {error}"
            return
        for name, port in self.cls.outputs.items():
            if port.dtype != "utf8" and not all(np.all(np.isfinite(row)) for row in outputs[name]):
                yield f"output {name!r} has numbers that are not finite"

    def _calls(self) -> Iterator[str]:
        """Checks that calls leave no trace, and that rows do not see each other."""
        before, first = digest(self.example.inputs(_SEEDS)), digest(self.outputs)
        if digest(self._call(self.inputs)) != first:
            yield (
                "two calls with the same inputs gave different bytes: take randomness from an "
                "input, and state from feedback"
            )
            return
        other = self._call(self.example.inputs(_OTHER_SEEDS))
        if digest(self.outputs) != first:
            yield "a call changed the outputs of an earlier call: return new arrays"
            return
        if digest(self._call(self.inputs)) != first:
            yield "a call with other inputs changed what the next call returns: keep no state"
            return
        if digest(self.inputs) != before:
            yield "a call changed its inputs: copy an input before you change it"
        self.checked.append("purity: equal inputs give equal bytes, nothing else changes")
        alone = self._call(self.example.inputs(_SEEDS[-1:]))
        yield from self._outputs(alone, 1)
        yield from self._rows(other, alone)
        self.checked.append("rows: none sees another")

    def _rows(self, other: Mapping[str, Tensor], alone: Mapping[str, Tensor]) -> Iterator[str]:
        for name, together in self.outputs.items():
            if any(not _same(together[row], other[name][row]) for row in _KEPT_ROWS):
                yield f"output {name!r} of a row changed when the inputs of another row changed"
            elif not _close(together[len(_SEEDS) - 1], alone[name][0]):
                yield f"output {name!r} of a row depends on the number of rows"

    def _unwired(self) -> Iterator[str]:
        """Checks a call without the inputs that a pipeline may leave unwired."""
        optional = optional_inputs(self.cls)
        if optional and not self.unwired:
            self.skipped.append("unwired inputs: unwired=False")
        elif optional:
            wired = {name: self.inputs[name] for name in self.inputs.keys() - optional}
            yield from self._outputs(self._call(wired), len(_SEEDS))
            self.checked.append(f"unwired inputs: {', '.join(sorted(optional))}")

    def _static_methods(self) -> Iterator[str]:
        """Calls the static methods that a class may have as a runner does."""
        row = {name: value[0] for name, value in self.inputs.items()}
        made, _ = make_params(self.use, self.cls, self.params)
        for name, argument in (("refusal", row), ("lacking", made)):
            method = getattr(self.cls, name, None)
            if method is None:
                continue
            try:
                answer = method(argument)
            except (Exception, SystemExit) as error:
                yield f"{name} raised {_described(error)}"
                continue
            texts = [answer] if name == "refusal" else answer
            if name == "refusal" and answer is None:
                texts = []
            if not isinstance(texts, list | tuple | set) or not all(
                isinstance(text, str) for text in texts
            ):
                yield f"{name} returned {type(answer).__name__}"
            self.checked.append(f"{name}: answers")

    def _in_a_new_process(self) -> Iterator[str]:
        if not self.new_process:
            self.skipped.append("equal bytes in a new process: new_process=False")
            return
        module, _, name = self.use.partition(":")
        if module == "__main__" or not name.isidentifier():
            yield f"{self.use} cannot be imported by its name: move the class into a module"
            return
        message = self.example.message(_SEEDS)
        try:
            answer = digests_of([CallRequest(module, name, self.params, self.format, message)])
        except StageError as error:
            yield f"in a new process it failed: {error}"
            return
        if answer != [digest(self.outputs)]:
            yield "a new process gave different bytes: do not depend on the process, such as hash()"
        self.checked.append("a new process gives equal bytes")

    def _pickling(self) -> Iterator[str]:
        try:
            from soundstage.runners.ray.pickling import pickled
        except ModuleNotFoundError:
            cure = "in soundstage's source folder, run pip install '.[ray]'"
            self.skipped.append(f"pickling by Ray: Ray is not installed: {cure}")
            return
        made, _ = make_params(self.use, self.cls, self.params)
        try:
            cls, sent = pickled((self.cls, made))
        except Exception as error:
            yield f"Ray cannot send it to another process: {_described(error)}"
            return
        if cls is not self.cls or sent != made:
            yield "Ray sends it to another process as another class or with other parameters"
        self.checked.append("pickling by Ray")


def _same(one: Any, other: Any) -> bool:
    return bool(wire.equal(np.asarray(one), np.asarray(other))) if _numeric(one) else one == other


def _close(one: Any, other: Any) -> bool:
    if not _numeric(one):
        return bool(one == other)
    if np.shape(one) != np.shape(other):
        return False
    return bool(np.allclose(one, other, rtol=RELATIVE, atol=ABSOLUTE))


def _numeric(row: Any) -> bool:
    return isinstance(row, np.ndarray | np.generic)


def _is_hex(text: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in text.lower())


def _text(problem: Any) -> str:
    return f"{problem.what}; {problem.cure}" if problem.cure else problem.what


def _described(error: BaseException) -> str:
    if isinstance(error, PipelineError):
        return "; ".join(map(str, error.problems))
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _raised(error: BaseException) -> str:
    if isinstance(error, StageError):
        return str(error)
    cure = "; inputs are read-only: copy one before you change it"
    return f"a call raised {_described(error)}{cure if 'read-only' in str(error) else ''}"
