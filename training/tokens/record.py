"""What is kept of a piece, and the facts that all pieces of a file share."""

from dataclasses import asdict, dataclass

import numpy as np

from soundstage.graph.format import Format


@dataclass(frozen=True)
class TokenFacts:
    """What the numbers in a file of tokens mean.

    Attributes:
        codec_levels: RVQ levels of a frame.
        codebook_size: codes a level, of codec and style.
        style_levels: RVQ levels of a style.
        style_dim: width of a style embedding.
        frame_rate_hz: frames per second.
        encoders: SHA-256, as hex digits, of the weights that made the numbers.
    """

    codec_levels: int
    codebook_size: int
    style_levels: int
    style_dim: int
    frame_rate_hz: int
    encoders: str

    @classmethod
    def of(cls, format: Format, encoders: str) -> "TokenFacts":
        """The facts of a music format and of the weights that encode."""
        return cls(
            format.codec_levels,
            format.codebook_size,
            format.style_levels,
            format.style_dim,
            format.frame_rate_hz,
            encoders,
        )

    def __str__(self) -> str:
        """The facts as keys of encoded pieces hold them.

        The words are part of the key: others would encode every piece of every cache again.
        """
        values = (f"{name}={value!r}" for name, value in asdict(self).items())
        return f"Facts({', '.join(values)})"

    def differences(self, format: Format) -> list[str]:
        """What a music format says otherwise, in words."""
        other = asdict(TokenFacts.of(format, self.encoders))
        return [
            f"{name} is {mine}, but {other[name]} in the music format"
            for name, mine in asdict(self).items()
            if mine != other[name]
        ]


@dataclass(frozen=True)
class PieceStyles:
    """Prompts as the style model sees them.

    Attributes:
        tokens: int16 [prompt, style_level].
        embeddings: float32 [prompt, style_dim].
    """

    tokens: np.ndarray
    embeddings: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class PieceTokens:
    """A piece of music as numbers.

    Attributes:
        name: tells it from the others.
        split: "train" or "heldout".
        key: SHA-256, as hex digits, of all that the numbers follow from.
        tokens: int16 [frame, level], codec codes.
        clips: styles of clips of its audio; at least one.
        clip_starts_s: where each clip starts.
        texts: descriptions.
        text_styles: a style a text.
    """

    name: str
    split: str
    key: str
    tokens: np.ndarray
    clips: PieceStyles
    clip_starts_s: tuple[float, ...]
    texts: tuple[str, ...]
    text_styles: PieceStyles
