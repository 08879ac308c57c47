"""What all measurements of a pipeline share: probes, held-out pieces, the pipeline's codec."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from evaluation.features import FeatureExtractor, WindowFeatures, joined
from evaluation.probe import Labels, Probe
from evaluation.settings import Settings
from evaluation.windows import cut, labels_of, split_of
from soundstage.graph.plan import Graph
from soundstage.training.corpus.manifest import Piece
from soundstage.training.whole_codec import WholeCodec, decodes, open_whole_codec

# Prints a line of progress.
Log: TypeAlias = Callable[[str], None]
# Changes audio, float32 [sample, channel], before its features are computed.
AudioChange: TypeAlias = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class LabelledWindows:
    """The features of windows, and their labels: what each is known or requested to be."""

    features: WindowFeatures
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, windows: np.ndarray) -> "LabelledWindows":
        """Selects windows by numbers or by a mask."""
        return LabelledWindows(self.features[windows], self.labels[windows])


@dataclass(frozen=True)
class FittedProbe:
    """A probe, and the windows of training pieces that it was fitted to."""

    probe: Probe
    lessons: LabelledWindows

    @classmethod
    def to(cls, lessons: LabelledWindows) -> "FittedProbe":
        """Fits a probe to windows of training pieces."""
        return cls(Probe(lessons.features, lessons.labels), lessons)


@dataclass(frozen=True)
class CodecMaterial:
    """The same music after encoding and decoding by the pipeline's codec.

    Attributes:
        codec: the codec.
        fitted: a probe fitted to decoded training pieces, so that it ignores the codec's
            distortions and judges the content of the tokens.
        real: windows of the decoded held-out pieces.
        through: encodes and decodes audio, float32 [sample, channel].
    """

    codec: WholeCodec
    fitted: FittedProbe
    real: LabelledWindows
    through: AudioChange


@dataclass(frozen=True)
class Material:
    """What all measurements share.

    Attributes:
        extractor: computes features.
        fitted: a probe fitted to the original training pieces.
        pieces: the held-out pieces.
        real: windows of the held-out pieces.
        coded: the same after the pipeline's codec; None if it has none.
        window_s: seconds of a window.
    """

    extractor: FeatureExtractor
    fitted: FittedProbe
    pieces: Sequence[Piece]
    real: LabelledWindows
    coded: CodecMaterial | None
    window_s: float

    @property
    def fair_probe(self) -> FittedProbe:
        """The probe fitted to decoded pieces, if there is a codec."""
        return self.fitted if self.coded is None else self.coded.fitted


def gather(graph: Graph, corpus: Path, settings: Settings, log: Log) -> Material:
    """Computes the features of a corpus and fits the probes.

    Raises:
        ManifestError: the corpus lacks a split.
        OSError: a file cannot be read.
        ValueError: a piece is shorter than a window.
    """
    extractor = FeatureExtractor(graph.format.sample_rate_hz)
    window_s = settings.window_chunks * graph.format.chunk_s
    train, heldout = split_of(corpus, "train"), split_of(corpus, "heldout")
    log(f"reading {len(train)} training and {len(heldout)} held-out pieces")
    fitted = FittedProbe.to(label_pieces(extractor, train, window_s, settings.lessons))
    real = label_pieces(extractor, heldout, window_s, settings.texts)
    codec, coded = codec_of(graph), None
    if codec is not None:
        log("encoding and decoding them")
        through = partial(decoded, codec, levels=graph.format.codec_levels)
        lessons = label_pieces(extractor, train, window_s, settings.coded_lessons, through)
        windows = label_pieces(extractor, heldout, window_s, settings.texts, through)
        coded = CodecMaterial(codec, FittedProbe.to(lessons), windows, through)
    return Material(extractor, fitted, heldout, real, coded, window_s)


def unchanged(audio: np.ndarray) -> np.ndarray:
    """Returns audio unchanged."""
    return audio


def label_pieces(
    extractor: FeatureExtractor,
    pieces: Sequence[Piece],
    window_s: float,
    most: int,
    change: AudioChange = unchanged,
) -> LabelledWindows:
    """Computes the features of windows of pieces.

    Args:
        extractor: computes features.
        pieces: the pieces of a corpus.
        window_s: seconds of a window.
        most: most windows of a piece.
        change: changes each window, float32 [sample, channel], before its features are computed.
    """
    parts, numbers = [], []
    for number, piece in enumerate(pieces):
        windows = [change(window) for window in cut(piece, window_s, most)]
        parts.append(extractor(windows))
        numbers += [number] * len(windows)
    return LabelledWindows(joined(parts), labels_of(pieces, numbers))


def label_audio(
    extractor: FeatureExtractor, windows: Iterable[np.ndarray], labels: Labels
) -> LabelledWindows:
    """Computes the features of windows, float32 [sample, channel] each, one at a time."""
    return LabelledWindows(joined([extractor([audio]) for audio in windows]), labels)


def codec_of(graph: Graph) -> WholeCodec | None:
    """Loads the codec that a pipeline decodes with; None if it has none that training knows.

    Raises:
        WeightsError: its weights cannot be used.
    """
    for node in graph.nodes.values():
        if decodes(node):
            return open_whole_codec(node.params, graph.format)[0]
    return None


def decoded(codec: WholeCodec, audio: np.ndarray, levels: int) -> np.ndarray:
    """Encodes and decodes audio.

    Args:
        codec: with encoder and decoder.
        audio: float32 [sample, channel], whole frames.
        levels: RVQ levels of every frame.

    Returns:
        float32 [sample, channel].
    """
    return codec.render(codec.encode(audio[None], levels))[0]
