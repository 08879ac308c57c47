"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How much is measured; the same settings give the same figures, speed apart.

    Attributes:
        window_chunks: chunks of every window that is judged, real or generated.
        texts: held-out wordings used of every held-out piece; as many real windows of it.
        guidances: guidance weights to compare; the pipeline's own is added.
        lessons: windows of every training piece that the probe learns from, at most.
        coded_lessons: those that the second probe hears behind the codec.
        codec_s: seconds of every held-out piece that the codec is measured on.
        live_s: seconds of the long runs.
        live_rows: how many long runs.
        timed_chunks: chunks timed.
        seed: of prompts' rows: row n of a set has the seed `seed` + n.
    """

    window_chunks: int = 4
    texts: int = 4
    guidances: tuple[float, ...] = (0.0, 1.0, 3.0, 5.0)
    lessons: int = 5
    coded_lessons: int = 2
    codec_s: float = 8.0
    live_s: float = 300.0
    live_rows: int = 2
    timed_chunks: int = 20
    seed: int = 0


QUICK = Settings(
    texts=1, guidances=(0.0, 3.0), lessons=2, coded_lessons=1, codec_s=4.0, live_s=30.0
)
