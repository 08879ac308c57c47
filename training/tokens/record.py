"""The record of one encoded piece, and the facts that all pieces of a file share."""

from dataclasses import asdict, dataclass

import numpy as np

from soundstage.graph.format import Format


@dataclass(frozen=True)
class TokenFacts:
    """The format and the encoders of a file of tokens.

    Attributes:
        codec_levels: RVQ levels of a frame.
        codebook_size: codes a level, of codec and style.
        style_levels: RVQ levels of a style.
        style_dim: width of a style embedding.
        frame_rate_hz: frames per second.
        encoders: SHA-256, as hex digits, of the encoders' weights.
    """

    codec_levels: int
    codebook_size: int
    style_levels: int
    style_dim: int
    frame_rate_hz: int
    encoders: str

    @classmethod
    def of(cls, format: Format, encoders: str) -> "TokenFacts":
        """Makes the facts of a music format and of the encoders' weights."""
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
        """Lists in words how a music format differs."""
        other = asdict(TokenFacts.of(format, self.encoders))
        return [
            f"{name} is {mine}, but {other[name]} in the music format"
            for name, mine in asdict(self).items()
            if mine != other[name]
        ]


@dataclass(frozen=True)
class PieceStyles:
    """The styles of some prompts.

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
    """An encoded piece of music.

    Attributes:
        name: unique among the pieces.
        split: "train" or "heldout".
        key: SHA-256, as hex digits, of everything that determines the numbers.
        tokens: int16 [frame, level], codec codes.
        clips: styles of clips of its audio; at least one.
        clip_starts_s: start of each clip in seconds.
        texts: descriptions.
        text_styles: one style a text.
        tempo_bpm: beats a minute, constant; 0 = unknown, as in audio that was not composed here.
        beats_per_bar: the piece starts with a bar; 0 = unknown.
        density: 0 sparse to 1 busy; -1 = unknown.
        brightness: 0 dark to 1 bright; -1 = unknown.
        onsets: uint8 [frame], strength of the notes and drums that start in a frame, 0 = none; the
            strongest, kick and snare together, reach 255. All 0 if unknown.
        drums: int8 [frame], 1 = drums play, 0 = they do not, -1 = unknown.
        chords: int8 [frame], 12 * quality + root as in `MusicFacts.chord`; -1 = none or unknown.
    """

    name: str
    split: str
    key: str
    tokens: np.ndarray
    clips: PieceStyles
    clip_starts_s: tuple[float, ...]
    texts: tuple[str, ...]
    text_styles: PieceStyles
    tempo_bpm: float
    beats_per_bar: int
    density: float
    brightness: float
    onsets: np.ndarray
    drums: np.ndarray
    chords: np.ndarray
