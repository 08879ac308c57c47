"""What every measure needs: the probe, the held-out pieces, and the codec's word on them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from evaluation.features import Hearing, Listener, joined
from evaluation.probe import Labels, Probe
from evaluation.settings import Settings
from evaluation.windows import cut, labels_of, split_of
from soundstage.graph.plan import Graph
from soundstage.training.corpus.manifest import Piece
from soundstage.training.whole_codec import WholeCodec, decodes, open_whole_codec

Say: TypeAlias = Callable[[str], None]
# What becomes of audio, float32 [sample, channel], before it is heard.
Change: TypeAlias = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Heard:
    """Windows that were heard, with what they are known or asked to be."""

    hearing: Hearing
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, windows: np.ndarray) -> "Heard":
        """Some of the windows, by numbers or by a mask."""
        return Heard(self.hearing[windows], self.labels[windows])


@dataclass(frozen=True)
class Ears:
    """A probe, and what it has learnt from."""

    probe: Probe
    lessons: Heard

    @classmethod
    def taught(cls, lessons: Heard) -> "Ears":
        """Fits a probe to windows of training pieces."""
        return cls(Probe(lessons.hearing, lessons.labels), lessons)


@dataclass(frozen=True)
class Coded:
    """The same music behind the pipeline's codec.

    Attributes:
        codec: it.
        ears: have learnt from training pieces behind the codec. They forgive what the codec does to
            every sound and judge what the tokens say.
        real: the windows of the held-out pieces behind the codec.
        through: what becomes of audio, float32 [sample, channel], there.
    """

    codec: WholeCodec
    ears: Ears
    real: Heard
    through: Change


@dataclass(frozen=True)
class Material:
    """What every measure needs.

    Attributes:
        listener: hears windows.
        ears: have learnt from real training pieces, as they are.
        pieces: the held-out ones.
        real: windows of those.
        coded: the same behind the pipeline's codec; None if it has none.
        window_s: seconds of a window.
    """

    listener: Listener
    ears: Ears
    pieces: Sequence[Piece]
    real: Heard
    coded: Coded | None
    window_s: float

    @property
    def fair_ears(self) -> Ears:
        """Those used to the codec, if there is one."""
        return self.ears if self.coded is None else self.coded.ears


def gather(graph: Graph, corpus: Path, settings: Settings, say: Say) -> Material:
    """Hears the corpus and fits the probes.

    Raises:
        ManifestError: the corpus lacks a split.
        OSError: a file cannot be read.
        ValueError: a piece is shorter than a window.
    """
    listener = Listener(graph.format.sample_rate_hz)
    window_s = settings.window_chunks * graph.format.chunk_s
    train, held_out = split_of(corpus, "train"), split_of(corpus, "heldout")
    say(f"hearing {len(train)} training and {len(held_out)} held-out pieces")
    ears = Ears.taught(hear(listener, train, window_s, settings.lessons))
    real = hear(listener, held_out, window_s, settings.texts)
    codec, coded = codec_of(graph), None
    if codec is not None:
        say("hearing them behind the codec")
        through = partial(behind, codec, levels=graph.format.codec_levels)
        lessons = hear(listener, train, window_s, settings.coded_lessons, through)
        behind_it = hear(listener, held_out, window_s, settings.texts, through)
        coded = Coded(codec, Ears.taught(lessons), behind_it, through)
    return Material(listener, ears, held_out, real, coded, window_s)


def untouched(audio: np.ndarray) -> np.ndarray:
    """Audio as it is."""
    return audio


def hear(
    listener: Listener,
    pieces: Sequence[Piece],
    window_s: float,
    most: int,
    change: Change = untouched,
) -> Heard:
    """Hears windows of pieces.

    Args:
        listener: hears.
        pieces: of a corpus.
        window_s: seconds of a window.
        most: windows of a piece.
        change: what becomes of a window, float32 [sample, channel], before it is heard.
    """
    hearings, numbers = [], []
    for number, piece in enumerate(pieces):
        windows = [change(window) for window in cut(piece, window_s, most)]
        hearings.append(listener.hear(windows))
        numbers += [number] * len(windows)
    return Heard(joined(hearings), labels_of(pieces, numbers))


def hear_played(listener: Listener, played: Iterable[np.ndarray], labels: Labels) -> Heard:
    """Hears what was played, float32 [sample, channel] a window, one by one."""
    return Heard(joined(list(_hearings(listener, played))), labels)


def _hearings(listener: Listener, played: Iterable[np.ndarray]) -> Iterator[Hearing]:
    for audio in played:
        yield listener.hear([audio])


def codec_of(graph: Graph) -> WholeCodec | None:
    """The codec that a pipeline decodes with, all its parts; None if it has none we know.

    Raises:
        WeightsError: its weights cannot be used.
    """
    for node in graph.nodes.values():
        if decodes(node):
            return open_whole_codec(node.params, graph.format)[0]
    return None


def behind(codec: WholeCodec, audio: np.ndarray, levels: int) -> np.ndarray:
    """Audio after encoding and decoding.

    Args:
        codec: with all its parts.
        audio: float32 [sample, channel], whole frames.
        levels: kept of every frame.

    Returns:
        float32 [sample, channel].
    """
    return codec.render(codec.encode(audio[None], levels))[0]
