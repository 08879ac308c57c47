"""What a runner is: ticks in, chunks out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from soundstage.errors import Error
from soundstage.graph.plan import Graph
from soundstage.graph.port import Tensor
from soundstage.graph.state import State
from soundstage.runners.spans import Span


@dataclass(frozen=True)
class Tick:
    """One chunk to make for each stream: its index and the controls in force.

    Attributes:
        streams: one name a row.
        chunks: per row, the index of the chunk to make; rows may have started at different times.
        controls: per row, every control's value as `graph.control.to_row` makes it.
    """

    streams: tuple[str, ...]
    chunks: tuple[int, ...]
    controls: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Chunk:
    """One chunk made.

    Attributes:
        tick: what was asked for.
        outputs: the graph's outputs by name, with a leading row axis; "audio" is
            float32 `[row, sample, channel]`. Read-only.
        state: enough to continue from here.
        seconds: wall time by stage, in seconds; 0.0 for a stage whose last output was reused.
        messages: what every stage said, as `graph.wire` buffers by stage name, and the controls
            under "in". For recording.
        spans: what every stage did when in this tick, for the timeline: per stage and replica at
            least a "compute" or a "reuse", in order. All on the clock of `runners.spans.now_s`.
    """

    tick: Tick
    outputs: Mapping[str, Tensor]
    state: State
    seconds: Mapping[str, float]
    messages: Mapping[str, Any] = field(repr=False)
    spans: tuple[Span, ...] = field(default=(), repr=False)

    @property
    def audio(self) -> np.ndarray:
        """The output called "audio": float32 `[row, sample, channel]`, 1.0 = full scale."""
        audio = self.outputs["audio"]
        assert isinstance(audio, np.ndarray)
        return audio


class StageFailed(Error, RuntimeError):
    """A stage raised, or returned what does not fit its ports.

    Attributes:
        stage: its name in the pipeline.
        chunks: the chunk of every row of the tick at fault.
        reason: what happened, in one line.
    """

    exit_code = 7

    def __init__(self, stage: str, chunks: tuple[int, ...], reason: str):
        self.stage = stage
        self.chunks = chunks
        self.reason = reason
        where = f"chunk {chunks[0]}" if len(set(chunks)) == 1 else f"chunks {list(chunks)}"
        super().__init__(f"stage {stage!r} failed at {where}: {reason}")

    def __reduce__(self) -> tuple[Any, ...]:
        """An exception travels between processes by its arguments, which here are not its text."""
        return StageFailed, (self.stage, self.chunks, self.reason)


class Runner(Protocol):
    """Runs a checked graph. Equal ticks and state give equal bytes, on every runner.

    Attributes:
        graph: what it runs.
        window: ticks that may well be under way at once where nobody steers; `stream` takes one
            less as its `lookahead`.
    """

    graph: Graph
    window: int

    def stream(
        self, ticks: Iterable[Tick], state: State | None = None, lookahead: int = 0
    ) -> Iterator[Chunk]:
        """Makes one chunk a tick, in order.

        Args:
            ticks: what to make; all of the same streams. Pulled at most `lookahead` ticks before
                the chunk that the consumer waits for.
            state: where to continue; None starts fresh.
            lookahead: ticks that may be in flight behind the one waited for. It buys overlap of
                stages and costs as many chunks of control latency.

        Raises:
            StageFailed: a stage failed; the runner itself remains usable.
        """
        ...

    def weights(self) -> dict[str, dict[str, str]]:
        """Digest and note of every stage that has weights, by stage."""
        ...

    def warm_up(self, streams: int) -> None:
        """Makes and throws away one chunk of default controls, so that everything is compiled."""
        ...

    def close(self) -> None:
        """Frees threads, processes and weights."""
        ...
