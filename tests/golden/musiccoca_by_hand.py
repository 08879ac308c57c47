"""A tiny, random model with the structure of MusicCoCa, in NumPy, in float64."""

import numpy as np

WIDTH, RANK, LEVELS, CODES = 32, 8, 12, 64
TEXT_IDS, LETTERS_WIDTH = 128, 8
WINDOWS, WINDOW_SAMPLES, FEATURES = 50, 160, 4
MAPPED_LENGTH = 3.0


def make_arrays(pieces: int, seed: int = 0) -> dict[str, np.ndarray]:
    """The weights, float32, by name; `pieces` is the size of the vocabulary."""
    random = np.random.default_rng(seed)

    def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
        return (scale * random.standard_normal(shape)).astype(np.float32)

    return {
        "table": normal(pieces, LETTERS_WIDTH),
        "position_weights": normal(TEXT_IDS, scale=0.5),
        "text": normal(LETTERS_WIDTH, WIDTH, scale=0.2),
        "windows": normal(WINDOW_SAMPLES, FEATURES, scale=0.1),
        "audio": normal(WINDOWS * FEATURES, WIDTH, scale=0.1),
        "map_embedding": normal(WIDTH, WIDTH, scale=0.2),
        "map_noise": normal(WIDTH, WIDTH, scale=0.05),
        "down": normal(WIDTH, RANK, scale=0.3),
        "codes": normal(LEVELS, CODES, RANK, scale=0.5),
    }


class MusicCocaByHand:
    """The functions that the graphs compute, from their definition."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = {name: array.astype(np.float64) for name, array in arrays.items()}

    def text(self, pieces: list[int]) -> np.ndarray:
        """Embeds the subwords of one text, without the start id, as [WIDTH]."""
        a, ids = self.arrays, [1, *pieces][:TEXT_IDS]
        total = sum(
            a["position_weights"][position] * a["table"][i] for position, i in enumerate(ids)
        )
        return np.tanh(total @ a["text"])

    def clip(self, clip: np.ndarray) -> np.ndarray:
        """Embeds [WINDOWS * WINDOW_SAMPLES] as [WIDTH]."""
        windows = clip.astype(np.float64).reshape(WINDOWS, WINDOW_SAMPLES)
        features = (windows @ self.arrays["windows"]) ** 2
        return np.tanh(features.reshape(-1) @ self.arrays["audio"])

    def mapped(self, embedding: np.ndarray, seed: int) -> np.ndarray:
        """Maps an embedding to [WIDTH], at length 1."""
        noise = np.random.RandomState(seed).randn(WIDTH).astype(np.float32)
        a = self.arrays
        mapped = np.tanh(embedding @ a["map_embedding"] + noise @ a["map_noise"])
        return mapped / np.linalg.norm(mapped)

    def tokens(self, embedding: np.ndarray) -> np.ndarray:
        """Returns [LEVELS]: at every level the code nearest to the residual."""
        residual, tokens = embedding @ self.arrays["down"], []
        for codes in self.arrays["codes"]:
            tokens.append(int(np.linalg.norm(codes - residual, axis=1).argmin()))
            residual = residual - codes[tokens[-1]]
        return np.array(tokens, np.int32)
