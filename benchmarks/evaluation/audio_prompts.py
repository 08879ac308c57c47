"""Audio prompts: is music that is prompted by a clip of the clip's genre?"""

import numpy as np

from evaluation.player import PromptPlayer, seeded_rows
from evaluation.probe_material import (
    FittedProbe,
    LabelledWindows,
    Log,
    Material,
    label_audio,
    label_pieces,
    unchanged,
)
from evaluation.scores import genre_agreement
from evaluation.settings import Settings
from evaluation.table import Row, Section
from evaluation.windows import labels_of
from soundstage.runners.sessions.prompts import Audio


def audio_prompt_section(
    player: PromptPlayer, material: Material, settings: Settings, log: Log
) -> Section:
    """Plays every held-out piece as an audio prompt, and compares the music with the piece.

    Raises:
        ValueError: a held-out piece is shorter than two windows.
    """
    pieces, extractor, window_s = material.pieces, material.extractor, material.window_s
    through = unchanged if material.coded is None else material.coded.through
    both = label_pieces(extractor, pieces, window_s, 2, through)
    if len(both) != 2 * len(pieces):
        raise ValueError(f"every held-out piece needs two windows of {window_s:g} s")
    first, last = np.arange(0, len(both), 2), np.arange(1, len(both), 2)
    rows = seeded_rows([Audio(piece.path) for piece in pieces], settings.seed)
    log(f"playing {len(rows)} audio prompts")
    audio = player.play(rows, settings.window_chunks)
    generated = label_audio(extractor, audio, labels_of(pieces, range(len(pieces))))
    note = f"""Every held-out piece is an audio prompt once, at the pipeline's own guidance. The
        music is compared with one window of the piece, decoded if the pipeline has a codec, and
        judged by a probe fitted to decoded music. "taken for the clip's genre": the probe judges
        both to be of one genre. "nearest kind": the nearest mean of a genre's training pieces is
        the same for both. "own clip nearest": the nearest of all {len(pieces)} pieces' windows is
        that of the prompt."""
    table = [
        _row("another window of the piece", both[first], both[last], material.fair_probe),
        _row("generated", generated, both[last], material.fair_probe),
    ]
    return Section("Audio prompts", note, table)


def _row(name: str, windows: LabelledWindows, clips: LabelledWindows, fitted: FittedProbe) -> Row:
    probe = fitted.probe
    judged = genre_agreement(probe.judge(windows.features).genre, probe.judge(clips.features).genre)
    places, clip_places = probe.place(windows.features), probe.place(clips.features)
    kind = genre_agreement(_nearest_genre(places, fitted), _nearest_genre(clip_places, fitted))
    own = _nearest(places, clip_places) == np.arange(len(clip_places))
    return {
        "what": name,
        "windows": len(windows),
        "taken for the clip's genre": judged[0],
        "by chance": judged[1],
        "nearest kind": kind[0],
        "kind by chance": kind[1],
        "own clip nearest": float(own.mean()),
        "own by chance": 1 / len(clip_places),
    }


def _nearest_genre(places: np.ndarray, fitted: FittedProbe) -> np.ndarray:
    genres, lessons = np.array(fitted.probe.genres), fitted.lessons
    lesson_places = fitted.probe.place(lessons.features)
    means = [lesson_places[lessons.labels.genre == genre].mean(axis=0) for genre in genres]
    return genres[_nearest(places, np.stack(means))]


def _nearest(places: np.ndarray, others: np.ndarray) -> np.ndarray:
    distances = np.square(places[:, None] - others).sum(axis=2)
    return distances.argmin(axis=1)
