"""The graphs of MusicCoCa as functions; each checks its graph's inputs and output when built."""

import numpy as np

from soundstage.stages.musiccoca.litert import TfliteGraph
from soundstage.stages.musiccoca.text import TEXT_IDS, normal_text, text_ids
from soundstage.stages.style_towers.text import SentencePieces
from soundstage.stages.weights.array_source import WeightsError


class TextEncoder:
    """The graph from texts to embeddings.

    Args:
        graph: the text encoder.
        vocabulary: splits texts into subwords.
        style_dim: width of an embedding.

    Raises:
        WeightsError: the graph has other inputs or another output.
    """

    def __init__(self, graph: TfliteGraph, vocabulary: SentencePieces, style_dim: int) -> None:
        inputs = [("int32", TEXT_IDS), ("float32", TEXT_IDS)]
        # Their order differs from file to file; their dtypes tell them apart.
        self._paddings_first = bool(graph.inputs) and graph.inputs[0].dtype == np.float32
        graph.require(inputs[::-1] if self._paddings_first else inputs)
        self._graph, self._vocabulary, self._style_dim = graph, vocabulary, style_dim
        self("")

    def __call__(self, text: str) -> np.ndarray:
        """Embeds any text as float32 [style_dim], of any length."""
        ids, paddings = text_ids(normal_text(text), self._vocabulary)
        values = (paddings, ids) if self._paddings_first else (ids, paddings)
        return _embedding(self._graph.name, self._graph(*values), self._style_dim)


class AudioEncoder:
    """The graphs from clips to embeddings.

    Args:
        preprocessor: samples to features.
        encoder: features to embedding.
        clip_samples: samples of a clip.
        style_dim: width of an embedding.

    Raises:
        WeightsError: a graph has other inputs or another output.
    """

    def __init__(
        self, preprocessor: TfliteGraph, encoder: TfliteGraph, clip_samples: int, style_dim: int
    ) -> None:
        self._preprocessor, self._encoder, self._style_dim = preprocessor, encoder, style_dim
        preprocessor.require([("float32", clip_samples)])
        sound = np.sin(np.arange(clip_samples, dtype=np.float32))
        features = preprocessor(sound)
        encoder.require([(features.dtype.name, features.size)])
        self(sound)

    def __call__(self, clip: np.ndarray) -> np.ndarray:
        """Embeds a clip, float32 [clip_sample], as float32 [style_dim], of any length."""
        return _embedding(
            self._encoder.name, self._encoder(self._preprocessor(clip)), self._style_dim
        )


class Mapper:
    """The graph that maps embeddings of texts into the region of audio embeddings.

    Args:
        graph: the mapper.
        seed: seed of the noise, which is the same for every text; in [0, 2^32).
        style_dim: width of an embedding.

    Raises:
        WeightsError: the graph has other inputs or another output.
    """

    def __init__(self, graph: TfliteGraph, seed: int, style_dim: int) -> None:
        graph.require([("float32", style_dim)] * 2)
        self._graph, self._style_dim = graph, style_dim
        # The reference draws with NumPy's legacy generator.
        self._noise = np.random.RandomState(seed).randn(style_dim).astype(np.float32)
        self(self._noise)

    def __call__(self, embedding: np.ndarray) -> np.ndarray:
        """Maps float32 [style_dim] to float32 [style_dim], at length 1."""
        mapped = self._graph(embedding, self._noise)
        length = np.linalg.norm(mapped)
        return _embedding(self._graph.name, mapped / length, self._style_dim)


def _embedding(name: str, vector: np.ndarray, style_dim: int) -> np.ndarray:
    if vector.size != style_dim:
        raise WeightsError(
            f"{name}: returns {vector.size} numbers, but an embedding of the music format has "
            f"style_dim = {style_dim}; check the file and the pipeline's [format]"
        )
    if not np.all(np.isfinite(vector)):
        raise WeightsError(f"{name}: returns NaN or infinity; fetch it again")
    return vector.astype(np.float32, copy=False)
