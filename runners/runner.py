"""The interface of runners: ticks in, chunks out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from soundstage.errors import Error, UsageError
from soundstage.graph.plan import Graph
from soundstage.graph.port import Tensor
from soundstage.graph.state import State
from soundstage.runners.spans import Span

if TYPE_CHECKING:
    from soundstage.runners.recording import Paths, Recording

# The graph output, and the control with the prompts, that `Chunk.not_understood` reads.
NOT_UNDERSTOOD, TEXTS = "not_understood", "texts"


@dataclass(frozen=True)
class Tick:
    """A request for one chunk of each stream: its index and its controls.

    Attributes:
        streams: one name a row.
        chunks: per row, the index of the chunk; rows may have started at different times.
        controls: per row, every control's value as `graph.control.to_row` returns it.
    """

    streams: tuple[str, ...]
    chunks: tuple[int, ...]
    controls: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Chunk:
    """The result of one tick; a notebook shows a player and a spectrogram for each row.

    Attributes:
        graph: the graph that made the chunk.
        weights: digest and note of every stage with weights, by stage.
        tick: the tick.
        outputs: the graph's outputs by name, with a leading row axis; "audio" is
            float32 `[row, sample, channel]`. Read-only.
        state: the state after this chunk.
        seconds: wall time by stage, in seconds; 0.0 for a stage whose earlier output was reused.
        messages: for recording, the outputs of every stage as `graph.wire` buffers by stage name,
            and the controls as "in".
        spans: the spans of every stage in this tick, for the timeline: for each stage and replica
            at least a "compute" or a "reuse", in order. Times are those of `runners.spans.now_s`.
    """

    graph: Graph = field(repr=False)
    weights: Mapping[str, Mapping[str, str]] = field(repr=False)
    tick: Tick
    outputs: Mapping[str, Tensor] = field(repr=False)
    state: State = field(repr=False)
    seconds: Mapping[str, float]
    messages: Mapping[str, Any] = field(repr=False)
    spans: tuple[Span, ...] = field(default=(), repr=False)

    @property
    def audio(self) -> np.ndarray:
        """The output called "audio": float32 `[row, sample, channel]`, 1.0 = full scale.

        A read-only NumPy array, whatever library the stages use and wherever they run.

        Raises:
            UsageError: the pipeline has no such output, or it is no array.
        """
        audio = self.outputs.get("audio")
        if not isinstance(audio, np.ndarray):
            raise UsageError(
                f"the pipeline {self.graph.name!r} has no audio among its outputs, "
                f"{', '.join(self.outputs)}: read chunk.outputs"
            )
        return audio

    @property
    def sample_rate(self) -> int:
        """Audio samples per second and channel, in Hz."""
        return self.graph.format.sample_rate_hz

    def write(self, path: Paths) -> Recording:
        """Writes the audio to a file, with what made it in the file's tags.

        Args:
            path: a .wav, .flac, .ogg or .mp3 file; for several rows, a list with one for each.

        Raises:
            UsageError: the number of files is not that of the rows, or the chunk holds no audio.
            OutputError: the file cannot be written.
            StageError: a sample is not finite.
        """
        from soundstage.runners.recording import plan_of, write_recording

        return write_recording(path, plan_of(self), [self])

    def _repr_html_(self) -> str | None:
        """Returns the players for a notebook; None without audio."""
        from soundstage.runners.recording import chunk_players

        try:
            return chunk_players(self)
        except UsageError:
            return None

    @property
    def not_understood(self) -> tuple[Mapping[str, str], ...]:
        """Per row, by text prompt, its words that the pipeline does not understand.

        Several words have commas between. A prompt that is understood is left out. Without a graph
        output called "not_understood", which has one text for each of the control "texts", all
        rows are empty.
        """
        words = self.outputs.get(NOT_UNDERSTOOD)
        if words is None:
            return ({},) * len(self.tick.streams)
        return tuple(
            {text: str(unknown) for text, unknown in zip(row[TEXTS], rows, strict=True) if unknown}
            for row, rows in zip(self.tick.controls, words, strict=True)
        )


class StageFailed(Error, RuntimeError):
    """A stage raised an error, or returned values that do not fit its ports.

    Attributes:
        stage: the stage's name in the pipeline.
        chunks: the chunk of every row of the failed tick.
        reason: the error, in one line.
    """

    exit_code = 7

    def __init__(self, stage: str, chunks: tuple[int, ...], reason: str):
        self.stage = stage
        self.chunks = chunks
        self.reason = reason
        where = f"chunk {chunks[0]}" if len(set(chunks)) == 1 else f"chunks {list(chunks)}"
        super().__init__(f"stage {stage!r} failed at {where}: {reason}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the attributes: by default, an exception is rebuilt from its message."""
        return StageFailed, (self.stage, self.chunks, self.reason)


class StageNotBuilt(Error, ValueError):
    """The constructor of a stage raised an error that is not one of soundstage's."""

    exit_code = 7


class Runner(Protocol):
    """Runs a checked graph. Equal ticks and state give equal bytes, on every runner.

    Attributes:
        graph: the graph that the runner runs.
        window: a good number of ticks in flight at once, for runs whose controls are known
            beforehand; the `lookahead` of `stream` is one less.
        platforms: the kinds of devices that its stages run on: "cpu", "gpu", "tpu".
    """

    graph: Graph
    window: int
    platforms: frozenset[str]

    def stream(
        self, ticks: Iterable[Tick], state: State | None = None, lookahead: int = 0
    ) -> Iterator[Chunk]:
        """Makes one chunk a tick, in order.

        Args:
            ticks: the ticks, all of the same streams. The runner takes a tick at most `lookahead`
                ticks before the consumer waits for it.
            state: the state to continue from; None = the initial state.
            lookahead: ticks in flight after the one that the consumer waits for. More ticks let
                stages overlap, and delay the effect of controls by as many chunks.

        Raises:
            StageFailed: a stage failed; the runner remains usable.
            SessionClosed: the runner is closed.
            ForkedProcess: this process is a fork of the one that opened the runner.
        """
        ...

    def ask(self, stage: str, controls: Mapping[str, Any]) -> Mapping[str, Tensor]:
        """Runs one stage alone for one row of controls, beside the ticks in flight.

        Args:
            stage: the stage's name; controls feed all its inputs.
            controls: every control's value, as `graph.control.to_row` returns it.

        Returns:
            By output port, an array [1, ...] of the port's dtype and shape, or a list; read-only.

        Raises:
            StageFailed: the stage failed.
            SessionClosed: the runner is closed.
        """
        ...

    def weights(self) -> dict[str, dict[str, str]]:
        """Digest and note of every stage that has weights, by stage."""
        ...

    def warm_up(self, streams: int) -> None:
        """Makes one chunk with the default controls and discards it, to compile everything.

        Args:
            streams: the number of rows of the ticks to come.
        """
        ...

    def close(self) -> None:
        """Frees threads, processes and weights. Idempotent."""
        ...


class BegunTick(Protocol):
    """A tick that an `OverlappingRunner` has begun."""

    def follow(self, tick: Tick) -> BegunTick:
        """Begins the next tick of the same streams; each stage starts when what it reads is ready.

        Args:
            tick: the chunks after those of this tick. If this tick fails, so does that one.

        Raises:
            SessionClosed: the runner is closed.
        """
        ...

    def chunk(self) -> Chunk:
        """Waits for every stage, and returns the chunk; to be called once.

        Raises:
            StageFailed: a stage failed; the runner remains usable.
            CancelledError: the tick was cancelled before every stage had started.
        """
        ...

    def cancel(self) -> None:
        """Drops the calls of stages that have not started."""
        ...


@runtime_checkable
class OverlappingRunner(Runner, Protocol):
    """A runner whose caller decides, while a tick is in flight, whether another one follows it."""

    def begin(self, tick: Tick, state: State) -> BegunTick:
        """Begins a tick, and returns before it is made.

        Args:
            tick: the tick.
            state: the state before it, of the same streams.

        Raises:
            SessionClosed: the runner is closed.
            ForkedProcess: this process is a fork of the one that opened the runner.
        """
        ...
