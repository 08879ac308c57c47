"""Continues a clip: makes the state of a pipeline as if it had generated the clip.

The clip is encoded to tokens. The tokens become the context; before a short clip, the context is
empty (-1). State that depends on the tokens of the same tick is made by running its stages on the
tokens. A stage with `after_audio` says what its state is after the clip's audio, such as a count of
beats. All other state is that of the start of the music.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from soundstage.errors import Error, InputError, StageError
from soundstage.graph.check import build
from soundstage.graph.format import Format
from soundstage.graph.plan import FromPast, FromStage, Graph, Node
from soundstage.graph.port import Port
from soundstage.graph.spec import parse
from soundstage.graph.state import State, initial
from soundstage.runners.devices import NoDevice, find_device
from soundstage.runners.local import LocalRunner
from soundstage.runners.models import refuse_missing_models
from soundstage.runners.runner import Tick

if TYPE_CHECKING:
    from pathlib import Path

# Longer than any codec looks back: the audio that is encoded before the context's first frame, and
# the audio that is decoded to find the state besides the context.
LEAD_S = 1.0
TOKENS = "tokens"


class NotContinuable(Error):
    """A pipeline cannot continue a clip; the message has what it lacks."""

    exit_code: ClassVar[int] = 4


@dataclass(frozen=True)
class Ends:
    """The places of a graph where tokens are decoded, made and kept.

    Attributes:
        decoder: the stage that decodes tokens and has an `encoder`.
        tokens: the port that the decoder reads, and its stage.
        context: the fed-back port with the tokens of the past, as "stage.port".
    """

    decoder: Node
    tokens: FromStage
    context: str


def find_ends(graph: Graph) -> Ends:
    """Finds the ends of a graph; builds nothing.

    Raises:
        NotContinuable: the graph does not have exactly one stage with an encoder, or exactly one
            context.
    """
    decoders = [node for node in graph.nodes.values() if hasattr(node.cls, "encoder")]
    if len(decoders) != 1:
        uses = ", ".join(node.use for node in decoders) or "none"
        raise NotContinuable(
            f"pipeline {graph.name} cannot continue a clip: it needs exactly one stage whose "
            f"class has an encoder, and it has {uses}"
        )
    (decoder,) = decoders
    contexts = [
        name
        for name, source in graph.feedback().items()
        if _is_tokens(graph.port(source), "context_frame")
    ]
    token_sources = [
        source
        for key, source in decoder.sources.items()
        if isinstance(source, FromStage) and _is_tokens(decoder.inputs[key], "frame")
    ]
    if len(contexts) != 1 or len(token_sources) != 1:
        raise NotContinuable(
            f"pipeline {graph.name} cannot continue a clip: it feeds back {len(contexts)} contexts "
            f"of tokens, and {decoder.name} reads {len(token_sources)} ports of new tokens; both "
            "must be 1"
        )
    return Ends(decoder, token_sources[0], contexts[0])


def read_clip(path: Path | str, graph: Graph) -> np.ndarray:
    """Reads an audio file as input of the codec.

    Returns:
        float32 [sample, channel], 1.0 = full scale, at the format's rate.

    Raises:
        InputError: as `audio.clips.read_audio`.
    """
    from soundstage.audio.clips import read_audio

    return read_audio(path, graph.format.sample_rate_hz, graph.format.channels)


def continued_state(graph: Graph, audio: np.ndarray, streams: Sequence[str] = ("0",)) -> State:
    """Returns the state of music that continues a clip; see `ClipContinuer.state`."""
    with ClipContinuer(graph) as continuer:
        return continuer.state(audio, streams)


class ClipContinuer:
    """The stages of a pipeline that turn clips into states; can be used for several clips.

    Not thread-safe.
    """

    def __init__(self, graph: Graph) -> None:
        """Builds the stages.

        Args:
            graph: the pipeline.

        Raises:
            NotContinuable: the pipeline cannot continue a clip.
            ModelError: published models that it needs are not on this machine.
            WeightsError: the codec's weights lack the encoder.
        """
        self._graph = graph
        self._ends = find_ends(graph)
        refuse_missing_models(graph)
        format, decoder = graph.format, self._ends.decoder
        # An encoder reads chunks: here, one chunk as long as the lead and the whole context.
        lead = round(LEAD_S * format.frame_rate_hz)
        length_s = (format.dims["context_frame"] + lead) / format.frame_rate_hz
        longer = replace(format, chunk_s=length_s, context_s=length_s)
        self._samples = longer.dims["sample"]
        self._encoder = decoder.cls.encoder(
            decoder.params, longer, find_device(_local_device(decoder))
        )
        self._part = _fed_back_part(graph, self._ends)
        self._runner = LocalRunner(self._part)

    def state(self, audio: np.ndarray, streams: Sequence[str] = ("0",)) -> State:
        """Returns the state before chunk 0 of music that continues a clip, equal for all streams.

        The audio of chunk 0 begins with the last `fade_s` of the clip, decoded from its tokens, as
        the audio of every pipeline is `fade_s` late.

        Args:
            audio: float32 [sample, channel], as `read_clip` returns it; at least one codec frame.
                Only the last `context_s`, and the lead before it, are used.
            streams: one name a row.

        Raises:
            InputError: the clip is too short, or is not such an array.
            StageFailed: a stage failed on the clip.
        """
        tokens = self.encode(audio)
        state = self._state_after(tokens)
        start = initial(self._graph, ("0",)).values
        context = np.full_like(start[self._ends.context], -1)
        context[0, context.shape[1] - len(tokens) :] = tokens
        heard = _heard(self._graph, audio, start)
        values = {**start, **state.values, **heard, self._ends.context: context}
        return State(("0",), (0,), values).pick([0] * len(streams)).rename(streams)

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Encodes the end of a clip, float32 [sample, channel].

        Returns:
            int32 [frame, level]; whole frames up to the clip's end, at most `context_frame`.

        Raises:
            InputError: the clip is too short, or is not such an array.
        """
        format = self._graph.format
        if audio.ndim != 2 or audio.shape[1] != format.channels or audio.dtype != np.float32:
            raise InputError(
                f"a clip is float32 [sample, channel={format.channels}], got {audio.dtype} "
                f"{list(audio.shape)}"
            )
        frames = min(len(audio) // format.frame_samples, format.dims["context_frame"])
        if not frames:
            raise InputError(
                f"a clip of {len(audio)} samples is shorter than one codec frame "
                f"({format.frame_samples} samples): use a longer clip"
            )
        padded = np.zeros((1, self._samples, format.channels), np.float32)
        end = audio[-self._samples :]
        padded[0, self._samples - len(end) :] = end
        tokens: np.ndarray = self._encoder(audio=padded)["tokens"][0]
        return tokens[-frames:]

    def close(self) -> None:
        """Frees the stages."""
        self._runner.close()

    def __enter__(self) -> ClipContinuer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _state_after(self, tokens: np.ndarray) -> State:
        """Runs one stream on the last chunks of tokens, and returns its state."""
        size = self._graph.format.dims["frame"]
        ticks = -(-round(LEAD_S * self._graph.format.frame_rate_hz) // size)
        padded = np.zeros((ticks * size, tokens.shape[1]), np.int32)
        end = tokens[-len(padded) :]
        padded[len(padded) - len(end) :] = end
        defaults = {name: control.default for name, control in self._part.controls.items()}
        controls = [defaults | {TOKENS: chunk} for chunk in np.split(padded, ticks)]
        chunks = [Tick(("0",), (index,), (row,)) for index, row in enumerate(controls)]
        *_, last = self._runner.stream(chunks, initial(self._part, ("0",)))
        return last.state


def _heard(
    graph: Graph, audio: np.ndarray, start: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns the fed-back ports of stages that know their state after audio, for one row.

    Args:
        graph: the pipeline.
        audio: float32 [sample, channel].
        start: the state of the start, whose shapes and dtypes the values must have.

    Raises:
        StageError: a stage raised, or returned something else.
    """
    format = graph.format
    longest = round((format.context_s + LEAD_S) * format.sample_rate_hz)
    by_stage = {
        name: _after_audio(node, audio[-longest:], format)
        for name, node in graph.nodes.items()
        if hasattr(node.cls, "after_audio")
    }
    heard = {
        name: np.asarray(by_stage[source.stage][source.port])[None]
        for name, source in graph.feedback().items()
        if source.port in by_stage.get(source.stage, {})
    }
    for name, value in heard.items():
        expected = start[name]
        if (value.dtype, value.shape) != (expected.dtype, expected.shape):
            raise StageError(
                f"{name}: its after_audio returned {value.dtype} {list(value.shape[1:])}, not "
                f"{expected.dtype} {list(expected.shape[1:])}"
            )
    return heard


def _after_audio(node: Node, audio: np.ndarray, format: Format) -> Mapping[str, np.ndarray]:
    try:
        return dict(node.cls.after_audio(audio, format))
    # A user's stage may raise anything; the error gets the stage's name.
    except Exception as error:
        what = f"stage {node.name!r}: its after_audio raised {type(error).__name__}: {error}"
        raise StageError(what) from error


def _fed_back_part(graph: Graph, ends: Ends) -> Graph:
    """Returns the part of a graph that makes the state, with tokens as a control."""
    tables, tokens = deepcopy(graph.spec.as_dict()), ends.tokens
    for stage in tables["stage"].values():
        for key, source in stage["inputs"].items():
            if source == str(tokens):
                stage["inputs"][key] = f"in.{TOKENS}"
    needed = _needed(graph, tokens)
    tables["stage"] = {name: stage for name, stage in tables["stage"].items() if name in needed}
    sources = [source for stage in tables["stage"].values() for source in stage["inputs"].values()]
    port = graph.port(tokens)
    shape = [graph.format.dims[name] for name in port.shape]
    tables["inputs"] = {
        name: value for name, value in tables["inputs"].items() if f"in.{name}" in sources
    } | {TOKENS: np.zeros(shape, np.int32).tolist()}
    made = _made_from(graph, tokens)
    tables["outputs"] = {f"fed_{number}": name for number, name in enumerate(made)}
    tables["placement"] = {"default": _local_device(ends.decoder)}
    # The modules of these stages were allowed when the whole graph was checked.
    allowed = sorted({node.use.partition(":")[0] for node in graph.nodes.values()})
    return build(parse(tables), allowed)


def _local_device(node: Node) -> str:
    """Returns a stage's device, or "auto" if this machine lacks it, which changes no byte."""
    try:
        find_device(node.placement.device)
    except NoDevice:
        return "auto"
    return node.placement.device


def _needed(graph: Graph, tokens: FromStage) -> set[str]:
    """Returns the stages that make the state, without those that make tokens."""
    needed: set[str] = set()
    waiting = [source.stage for source in _made_from(graph, tokens).values()]
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        waiting += [
            source.stage
            for source in graph.nodes[name].sources.values()
            if isinstance(source, FromStage) and source != tokens
        ]
    return needed


def _made_from(graph: Graph, tokens: FromStage) -> dict[str, FromPast]:
    """Returns the fed-back ports that depend on the tokens of the same tick, by name."""
    dependent = {tokens.stage}
    for name, node in graph.nodes.items():  # in the order in which stages run
        sources = [source for source in node.sources.values() if isinstance(source, FromStage)]
        if name != tokens.stage and any(source.stage in dependent for source in sources):
            dependent.add(name)
    dependent.discard(tokens.stage)
    return {name: source for name, source in graph.feedback().items() if source.stage in dependent}


def _is_tokens(port: Port, first: str) -> bool:
    return port.kind == "codec token" and port.shape == (first, "level")
