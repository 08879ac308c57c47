"""Whether long music stays alive: loudness over minutes, its genre, and how chunks join."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.joins import Joins, find_joins
from evaluation.player import Performer
from evaluation.probe_material import Material, Say
from evaluation.settings import Settings
from evaluation.table import Row, Section
from evaluation.windows import cut
from soundstage.graph.format import Format

ENDS_S = 10.0
SILENT_DB = -60.0
LOUDEST_RANK = 0.99


@dataclass(frozen=True)
class Loudness:
    """The loudness of a long run.

    Attributes:
        first_db: RMS of the first `ENDS_S`, 0 = full scale.
        last_db: of the last.
        quietest_db: RMS of the quietest chunk.
        loudest_db: of the loudest.
        slope_db: of a line through all chunks, dB a minute.
        silent: share of chunks below `SILENT_DB`.
        beyond: share of samples beyond full scale.
    """

    first_db: float
    last_db: float
    quietest_db: float
    loudest_db: float
    slope_db: float
    silent: float
    beyond: float


def loudness(audio: np.ndarray, chunk_samples: int, sample_rate_hz: int) -> Loudness:
    """Measures a run.

    Args:
        audio: float32 [sample, channel], two whole chunks at least.
        chunk_samples: length of a chunk.
        sample_rate_hz: of the audio.
    """
    chunks = audio[: len(audio) // chunk_samples * chunk_samples]
    levels = np.array(
        [rms_db(chunk) for chunk in chunks.reshape(-1, chunk_samples, audio.shape[1])]
    )
    minutes = np.arange(len(levels)) * chunk_samples / sample_rate_hz / 60
    ends = round(ENDS_S * sample_rate_hz)
    return Loudness(
        rms_db(audio[:ends]),
        rms_db(audio[-ends:]),
        float(levels.min()),
        float(levels.max()),
        float(np.polyfit(minutes, levels, 1)[0]),
        float((levels < SILENT_DB).mean()),
        float((np.abs(audio) > 1).mean()),
    )


def rms_db(audio: np.ndarray) -> float:
    """Root mean square in dB of full scale, -200 at least."""
    return float(10 * np.log10(np.square(audio, dtype=np.float64).mean() + 1e-20))


def liveness_sections(
    performer: Performer, material: Material, settings: Settings, say: Say
) -> list[Section]:
    """Plays long and listens."""
    form, pieces = performer.format, material.pieces
    chosen = [pieces[row * len(pieces) // settings.live_rows] for row in range(settings.live_rows)]
    rows = [
        {"prompts": [piece.heldout_texts[0]], "seed": settings.seed + row}
        for row, piece in enumerate(chosen)
    ]
    chunks = max(3, round(settings.live_s / form.chunk_s))
    say(f"playing {len(rows)} rows for {chunks * form.chunk_s:g} s")
    runs = list(performer.play(rows, chunks))
    real = [cut(piece, piece.duration_s - 1, 1)[0] for piece in pieces]
    chunk, rate = form.dims["sample"], form.sample_rate_hz
    lives = []
    for piece, run in zip(chosen, runs, strict=True):
        found = loudness(run, chunk, rate)
        halves = genre_kept(run, piece.genre, material, chunk * settings.window_chunks)
        lives.append(_live_row(piece.heldout_texts[0], found, halves))
    for piece, audio in zip(chosen, (real[pieces.index(piece)] for piece in chosen), strict=True):
        found = loudness(audio, chunk, rate)
        lives.append(_live_row(f"its real piece, {piece.duration_s:g} s", found, (None, None)))
    return [
        Section(f"Alive for {chunks * form.chunk_s:g} s", _live_note(form.chunk_s), lives),
        joins_section(runs, real, form),
    ]


def joins_section(runs: Sequence[np.ndarray], real: Sequence[np.ndarray], form: Format) -> Section:
    """How the chunks of runs join, beside real pieces at as many places that are no joins.

    Args:
        runs: float32 [sample, channel] each, three whole chunks at least.
        real: float32 [sample, channel] each, two chunks long at least.
        form: the music's lengths and rates.
    """
    chunk, rate, fade = form.dims["sample"], form.sample_rate_hz, form.dims["fade_sample"]
    rows = [
        _join_row("starts of chunks", [find_joins(run, chunk, rate) for run in runs]),
        _join_row("ends of cross-fades", [find_joins(run, chunk, rate, fade) for run in runs]),
        _join_row("no joins: real pieces", [find_joins(audio, chunk, rate) for audio in real]),
    ]
    note = f"""Every join is ranked among all places of the chunks on both of its sides: "click" by
        the largest step between two samples, "change" by the difference of the spectra before and
        behind. Joins that nobody hears have a mean rank of 0.5, and 0.01 of them rank above
        {LOUDEST_RANK:g}."""
    return Section("Joins of chunks", note, rows)


def genre_kept(
    run: np.ndarray, genre: str, material: Material, window_samples: int
) -> tuple[float, float]:
    """How often a run is taken for a genre in its first half and in its second.

    Args:
        run: float32 [sample, channel], a window long at least.
        genre: what was asked for.
        material: with the probe.
        window_samples: length of a window.
    """
    starts = range(0, len(run) - window_samples + 1, window_samples)
    windows = [run[start : start + window_samples] for start in starts]
    right = material.fair_ears.probe.judge(material.listener.hear(windows)).genre == genre
    middle = (len(right) + 1) // 2
    return float(right[:middle].mean()), float(right[-middle:].mean())


def _live_note(chunk_s: float) -> str:
    return f"""RMS in dB of full scale; "quietest" and "loudest" of chunks of {chunk_s:g} s;
        "silent" is the share of those below {SILENT_DB:g} dB; how often the probe takes
        windows of each half for the genre asked for."""


def _live_row(name: str, found: Loudness, halves: tuple[float | None, float | None]) -> Row:
    return {
        "what": name,
        f"first {ENDS_S:g} s dB": found.first_db,
        f"last {ENDS_S:g} s dB": found.last_db,
        "quietest dB": found.quietest_db,
        "loudest dB": found.loudest_db,
        "dB a minute": found.slope_db,
        "silent": found.silent,
        "beyond full scale": found.beyond,
        "genre right, first half": halves[0],
        "second half": halves[1],
    }


def _join_row(name: str, found: Sequence[Joins]) -> Row:
    clicks = np.concatenate([joins.click for joins in found])
    changes = np.concatenate([joins.change for joins in found])
    steps = np.concatenate([joins.steps for joins in found])
    return {
        "what": name,
        "joins": len(clicks),
        "click, mean rank": float(clicks.mean()),
        f"click above {LOUDEST_RANK:g}": float((clicks > LOUDEST_RANK).mean()),
        "change, mean rank": float(changes.mean()),
        f"change above {LOUDEST_RANK:g}": float((changes > LOUDEST_RANK).mean()),
        "largest step": float(steps.max()),
    }
