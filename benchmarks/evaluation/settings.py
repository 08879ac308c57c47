"""The settings of an evaluation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The amount of music to measure; the same settings give the same results, except for speed.

    Attributes:
        window_chunks: chunks of every window that is judged, real or generated.
        texts: held-out texts, and real windows, of every held-out piece.
        guidances: guidance weights to compare, besides the pipeline's own.
        lessons: most windows of a training piece that the first probe is fitted to.
        coded_lessons: most windows of a training piece that the second probe, for decoded music,
            is fitted to.
        codec_s: seconds of every held-out piece that the codec is measured on.
        live_s: seconds of the long runs.
        live_rows: number of long runs.
        timed_chunks: number of timed chunks.
        seed: row n of a set has the seed `seed` + n.
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
