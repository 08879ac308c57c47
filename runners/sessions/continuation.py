"""Music that goes on from a clip: the state of a pipeline that had made the clip itself.

The clip is encoded to tokens. They become the context, padded with "nothing yet" where the clip is
short; and what else is fed back becomes what it would be had those tokens been sampled, by running
the stages that it comes from on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from soundstage.errors import Error, InputError
from soundstage.graph.check import build
from soundstage.graph.plan import FromStage, Graph, Node
from soundstage.graph.port import Port
from soundstage.graph.spec import parse
from soundstage.graph.state import State, initial
from soundstage.runners.devices import NoDevice, find_device
from soundstage.runners.local import LocalRunner
from soundstage.runners.models import refuse_missing_models
from soundstage.runners.runner import Tick

if TYPE_CHECKING:
    from pathlib import Path

# More than codecs look back: so much is encoded in front of the context's first frame, and so much
# is rendered to find what is fed back besides the context.
LEAD_S = 1.0
GIVEN = "tokens"


class NotContinuable(Error):
    """A pipeline cannot go on from a clip; the message says what it lacks."""

    exit_code: ClassVar[int] = 4


@dataclass(frozen=True)
class Ends:
    """Where a graph takes tokens in and keeps them.

    Attributes:
        decoder: the stage that renders tokens and names its `encoder`.
        tokens: where it reads them: the stage that makes them, and its port.
        context: the fed-back port that holds the tokens of the past, as "stage.port".
    """

    decoder: Node
    tokens: FromStage
    context: str


def find_ends(graph: Graph) -> Ends:
    """Finds what going on from a clip takes; builds nothing.

    Raises:
        NotContinuable: the graph has no one stage with an encoder, or no one context.
    """
    decoders = [node for node in graph.nodes.values() if hasattr(node.cls, "encoder")]
    if len(decoders) != 1:
        uses = ", ".join(node.use for node in decoders) or "none"
        raise NotContinuable(
            f"pipeline {graph.name} cannot go on from audio: that takes one stage whose class "
            f"names an encoder, and it has {uses}"
        )
    (decoder,) = decoders
    contexts = [
        name
        for name, source in graph.feedback().items()
        if _is_tokens(graph.port(source), "context_frame")
    ]
    made = [
        source
        for key, source in decoder.sources.items()
        if isinstance(source, FromStage) and _is_tokens(decoder.inputs[key], "frame")
    ]
    if len(contexts) != 1 or len(made) != 1:
        raise NotContinuable(
            f"pipeline {graph.name} cannot go on from audio: it feeds back "
            f"{len(contexts)} contexts of tokens, and {decoder.name} reads {len(made)} ports of "
            "new ones; it must be one each"
        )
    return Ends(decoder, made[0], contexts[0])


def read_clip(path: Path | str, graph: Graph) -> np.ndarray:
    """Reads any audio file as the codec wants it.

    Returns:
        float32 [sample, channel], 1.0 = full scale, at the format's rate.

    Raises:
        InputError: as `audio.clips.read_audio`.
    """
    from soundstage.audio.clips import read_audio

    return read_audio(path, graph.format.sample_rate_hz, graph.format.channels)


def continued_state(graph: Graph, audio: np.ndarray, streams: Sequence[str] = ("0",)) -> State:
    """The state of music that goes on from a clip; see `Continuer`, which this builds for once."""
    with Continuer(graph) as continuer:
        return continuer.state(audio, streams)


class Continuer:
    """Listens to clips: the encoder of a pipeline, and the stages behind what it feeds back.

    Whoever goes on from many clips keeps one. One thread at a time may use it.
    """

    def __init__(self, graph: Graph) -> None:
        """Builds the stages.

        Args:
            graph: the pipeline.

        Raises:
            NotContinuable: the pipeline cannot go on from audio.
            ModelError: published models that it needs have not been fetched.
            WeightsError: the codec's weights lack the encoder.
        """
        self._graph = graph
        self._ends = find_ends(graph)
        refuse_missing_models(graph)
        format, decoder = graph.format, self._ends.decoder
        # An encoder takes chunks: here, one as long as all that is to be encoded at once.
        lead = round(LEAD_S * format.frame_rate_hz)
        length_s = (format.dims["context_frame"] + lead) / format.frame_rate_hz
        longer = replace(format, chunk_s=length_s, context_s=length_s)
        self._samples = longer.dims["sample"]
        self._encoder = decoder.cls.encoder(decoder.params, longer, find_device(_here(decoder)))
        self._part = _fed_back_part(graph, self._ends)
        self._runner = LocalRunner(self._part)

    def state(self, audio: np.ndarray, streams: Sequence[str] = ("0",)) -> State:
        """The state before chunk 0 of music that goes on from a clip, the same for every stream.

        The audio of chunk 0 then begins with the last `fade_s` of the clip, as the codec renders
        it: every pipeline is so late.

        Args:
            audio: float32 [sample, channel], as `read_clip` returns it; at least one codec frame.
                What lies further back than `context_s` is not heard.
            streams: one name a row.

        Raises:
            InputError: the clip is too short, or is no such array.
            StageFailed: a stage failed on the clip.
        """
        tokens = self.encode(audio)
        state = self._played(tokens)
        context = np.full_like(state.values[self._ends.context], -1)
        context[0, context.shape[1] - len(tokens) :] = tokens
        values = {**state.values, self._ends.context: context}
        return State(("0",), (0,), values).pick([0] * len(streams)).rename(streams)

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Encodes the end of a clip, float32 [sample, channel].

        Returns:
            int32 [frame, level]; whole frames that end where the clip ends, at most
            `context_frame`.

        Raises:
            InputError: the clip is too short, or is no such array.
        """
        format = self._graph.format
        if audio.ndim != 2 or audio.shape[1] != format.channels or audio.dtype != np.float32:
            raise InputError(
                f"a clip is float32 [sample, channel={format.channels}], got {audio.dtype} "
                f"{list(audio.shape)}"
            )
        frames = min(len(audio) // format.frame_samples, format.dims["context_frame"])
        if not frames:
            raise InputError(f"a clip of {len(audio)} samples is shorter than one codec frame")
        sound = np.zeros((1, self._samples, format.channels), np.float32)
        heard = audio[-self._samples :]
        sound[0, self._samples - len(heard) :] = heard
        tokens: np.ndarray = self._encoder(audio=sound)["tokens"][0]
        return tokens[-frames:]

    def close(self) -> None:
        """Frees the stages."""
        self._runner.close()

    def __enter__(self) -> Continuer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _played(self, tokens: np.ndarray) -> State:
        """The state of one stream behind chunks of tokens that were given, not sampled."""
        size = self._graph.format.dims["frame"]
        ticks = -(-round(LEAD_S * self._graph.format.frame_rate_hz) // size)
        given = np.zeros((ticks * size, tokens.shape[1]), np.int32)
        kept = tokens[-len(given) :]
        given[len(given) - len(kept) :] = kept
        defaults = {name: control.default for name, control in self._part.controls.items()}
        controls = [defaults | {GIVEN: chunk} for chunk in np.split(given, ticks)]
        chunks = [Tick(("0",), (index,), (row,)) for index, row in enumerate(controls)]
        *_, last = self._runner.stream(chunks, initial(self._part, ("0",)))
        return last.state


def _fed_back_part(graph: Graph, ends: Ends) -> Graph:
    """The graph without what makes tokens: they are a control, and what is fed back is made."""
    tables, made = deepcopy(graph.spec.as_dict()), ends.tokens
    for stage in tables["stage"].values():
        for key, source in stage["inputs"].items():
            if source == str(made):
                stage["inputs"][key] = f"in.{GIVEN}"
    needed = _needed(graph, made)
    tables["stage"] = {name: stage for name, stage in tables["stage"].items() if name in needed}
    sources = [source for stage in tables["stage"].values() for source in stage["inputs"].values()]
    port = graph.port(made)
    shape = [graph.format.dims[name] for name in port.shape]
    tables["inputs"] = {
        name: value for name, value in tables["inputs"].items() if f"in.{name}" in sources
    } | {GIVEN: np.zeros(shape, np.int32).tolist()}
    tables["outputs"] = {f"fed_{i}": name for i, name in enumerate(graph.feedback())}
    tables["placement"] = {"default": _here(ends.decoder)}
    # Its modules were allowed when the whole was checked.
    allowed = sorted({node.use.partition(":")[0] for node in graph.nodes.values()})
    return build(parse(tables), allowed)


def _here(node: Node) -> str:
    """Where a stage is placed; "auto" if that is on another machine: no byte depends on it."""
    try:
        find_device(node.placement.device)
    except NoDevice:
        return "auto"
    return node.placement.device


def _needed(graph: Graph, made: FromStage) -> set[str]:
    """The stages behind what is fed back, up to where tokens are made."""
    found: set[str] = set()
    waiting = [source.stage for source in graph.feedback().values()]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += [
            source.stage
            for source in graph.nodes[name].sources.values()
            if isinstance(source, FromStage) and source != made
        ]
    return found


def _is_tokens(port: Port, first: str) -> bool:
    return port.kind == "codec token" and port.shape == (first, "level")
