"""Stability of long music: loudness and genre over minutes, and the joins of chunks."""

from collections.abc import Sequence

import numpy as np

from evaluation.measures.joins import Joins, find_joins
from evaluation.player import PromptPlayer, seeded_rows
from evaluation.probe_material import Log, Material
from evaluation.settings import Settings
from evaluation.table import Row, Section
from evaluation.windows import cut
from soundstage.graph.format import Format

ENDS_S = 10.0
SILENT_DB = -60.0
LOUDEST_RANK = 0.99


def loudness(audio: np.ndarray, chunk_samples: int, sample_rate_hz: int) -> dict[str, float]:
    """Returns the loudness of a run as cells of a table.

    Args:
        audio: float32 [sample, channel], at least two whole chunks.
        chunk_samples: length of a chunk.
        sample_rate_hz: the sample rate of the audio.

    Returns:
        RMS of the first and last `ENDS_S`, and of the quietest and loudest chunk, 0 dB = full
        scale; slope of a line fitted to all chunks; share of chunks below `SILENT_DB`, and of
        samples beyond full scale.
    """
    chunks = audio[: len(audio) // chunk_samples * chunk_samples]
    levels = np.array(
        [rms_db(chunk) for chunk in chunks.reshape(-1, chunk_samples, audio.shape[1])]
    )
    minutes = np.arange(len(levels)) * chunk_samples / sample_rate_hz / 60
    ends = round(ENDS_S * sample_rate_hz)
    return {
        f"first {ENDS_S:g} s dB": rms_db(audio[:ends]),
        f"last {ENDS_S:g} s dB": rms_db(audio[-ends:]),
        "quietest dB": float(levels.min()),
        "loudest dB": float(levels.max()),
        "dB a minute": float(np.polyfit(minutes, levels, 1)[0]),
        "silent": float((levels < SILENT_DB).mean()),
        "beyond full scale": float((np.abs(audio) > 1).mean()),
    }


def rms_db(audio: np.ndarray) -> float:
    """Returns the root mean square in dB of full scale, at least -200."""
    return float(10 * np.log10(np.square(audio, dtype=np.float64).mean() + 1e-20))


def liveness_sections(
    player: PromptPlayer, material: Material, settings: Settings, log: Log
) -> list[Section]:
    """Plays some rows for minutes, and measures loudness, genre and joins."""
    form, pieces = player.format, material.pieces
    chosen = [pieces[row * len(pieces) // settings.live_rows] for row in range(settings.live_rows)]
    rows = seeded_rows([piece.heldout_texts[0] for piece in chosen], settings.seed)
    chunks = max(3, round(settings.live_s / form.chunk_s))
    log(f"playing {len(rows)} rows for {chunks * form.chunk_s:g} s")
    runs = list(player.play(rows, chunks))
    real = [cut(piece, piece.duration_s - 1, 1)[0] for piece in pieces]
    chunk, rate = form.dims["sample"], form.sample_rate_hz
    table = []
    for piece, run in zip(chosen, runs, strict=True):
        halves = genre_kept(run, piece.genre, material, chunk * settings.window_chunks)
        table.append(_live_row(piece.heldout_texts[0], loudness(run, chunk, rate), halves))
    for piece in chosen:
        measured = loudness(real[pieces.index(piece)], chunk, rate)
        table.append(_live_row(f"its real piece, {piece.duration_s:g} s", measured, (None, None)))
    return [
        Section(f"Stability over {chunks * form.chunk_s:g} s", _live_note(form.chunk_s), table),
        joins_section(runs, real, form),
    ]


def joins_section(runs: Sequence[np.ndarray], real: Sequence[np.ndarray], form: Format) -> Section:
    """Ranks the joins of runs, and equally spaced positions of real pieces for comparison.

    Args:
        runs: float32 [sample, channel] each, at least three whole chunks.
        real: float32 [sample, channel] each, at least two chunks long.
        form: the music format.
    """
    chunk, rate, fade = form.dims["sample"], form.sample_rate_hz, form.dims["fade_sample"]
    rows = [
        _join_row("starts of chunks", [find_joins(run, chunk, rate) for run in runs]),
        _join_row("ends of cross-fades", [find_joins(run, chunk, rate, fade) for run in runs]),
        _join_row("no joins: real pieces", [find_joins(audio, chunk, rate) for audio in real]),
    ]
    note = f"""Every join is ranked among all positions of its two chunks: "click" by the largest
        step between two samples, "change" by the difference of the spectra before and after.
        Inaudible joins have a mean rank of 0.5, and 0.01 of them rank above {LOUDEST_RANK:g}."""
    return Section("Joins of chunks", note, rows)


def genre_kept(
    run: np.ndarray, genre: str, material: Material, window_samples: int
) -> tuple[float, float]:
    """Returns the shares of windows of the requested genre in a run's first and second half.

    Args:
        run: float32 [sample, channel], at least one window.
        genre: the requested genre.
        material: with the probe.
        window_samples: length of a window.
    """
    starts = range(0, len(run) - window_samples + 1, window_samples)
    windows = [run[start : start + window_samples] for start in starts]
    right = material.fair_probe.probe.judge(material.extractor(windows)).genre == genre
    middle = (len(right) + 1) // 2
    return float(right[:middle].mean()), float(right[-middle:].mean())


def _live_note(chunk_s: float) -> str:
    return f"""RMS in dB of full scale; "quietest" and "loudest" of chunks of {chunk_s:g} s;
        "silent" is the share of chunks below {SILENT_DB:g} dB; the share of windows of each half
        that the probe judges to be of the requested genre."""


def _live_row(name: str, measured: Row, halves: tuple[float | None, float | None]) -> Row:
    return {
        "what": name,
        **measured,
        "genre right, first half": halves[0],
        "second half": halves[1],
    }


def _join_row(name: str, streams: Sequence[Joins]) -> Row:
    clicks = np.concatenate([joins.click for joins in streams])
    changes = np.concatenate([joins.change for joins in streams])
    steps = np.concatenate([joins.steps for joins in streams])
    return {
        "what": name,
        "joins": len(clicks),
        "click, mean rank": float(clicks.mean()),
        f"click above {LOUDEST_RANK:g}": float((clicks > LOUDEST_RANK).mean()),
        "change, mean rank": float(changes.mean()),
        f"change above {LOUDEST_RANK:g}": float((changes > LOUDEST_RANK).mean()),
        "largest step": float(steps.max()),
    }
