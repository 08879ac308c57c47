"""Whether music prompted by a clip is of the clip's kind."""

import numpy as np

from evaluation.player import Performer
from evaluation.probe_material import Ears, Heard, Material, Say, hear, hear_played, untouched
from evaluation.scores import genre_agreement
from evaluation.settings import Settings
from evaluation.table import Row, Section
from evaluation.windows import labels_of
from soundstage.runners.sessions.prompts import Audio


def audio_prompt_section(
    performer: Performer, material: Material, settings: Settings, say: Say
) -> Section:
    """Plays every held-out piece as an audio prompt and compares with a window of that piece.

    Raises:
        ValueError: a held-out piece is shorter than two windows.
    """
    pieces, listener, window_s = material.pieces, material.listener, material.window_s
    through = untouched if material.coded is None else material.coded.through
    both = hear(listener, pieces, window_s, 2, through)
    if len(both) != 2 * len(pieces):
        raise ValueError(f"two windows of {window_s:g} s are needed of every held-out piece")
    first, last = np.arange(0, len(both), 2), np.arange(1, len(both), 2)
    rows = [
        {"prompts": [Audio(piece.path)], "seed": settings.seed + row}
        for row, piece in enumerate(pieces)
    ]
    say(f"playing {len(rows)} audio prompts")
    played = performer.play(rows, settings.window_chunks)
    generated = hear_played(listener, played, labels_of(pieces, range(len(pieces))))
    note = f"""Every held-out piece is an audio prompt once, at the pipeline's own guidance; what is
        played is compared with one window of the piece, behind the codec if there is one and judged
        by ears used to it. "taken for the clip's genre": the probe says of both the same genre.
        "nearest kind": the nearest of the means of the training pieces' genres is the same for
        both. "own clip nearest": among the windows of all {len(pieces)} pieces."""
    table = [
        _row("another window of the piece", both[first], both[last], material.fair_ears),
        _row("generated", generated, both[last], material.fair_ears),
    ]
    return Section("Audio prompts", note, table)


def _row(name: str, heard: Heard, clips: Heard, ears: Ears) -> Row:
    probe = ears.probe
    taken = genre_agreement(probe.judge(heard.hearing).genre, probe.judge(clips.hearing).genre)
    places, wanted = probe.place(heard.hearing), probe.place(clips.hearing)
    kind = genre_agreement(_nearest_genre(places, ears), _nearest_genre(wanted, ears))
    own = _nearest(places, wanted) == np.arange(len(wanted))
    return {
        "what": name,
        "windows": len(heard),
        "taken for the clip's genre": taken[0],
        "by chance": taken[1],
        "nearest kind": kind[0],
        "kind by chance": kind[1],
        "own clip nearest": float(own.mean()),
        "own by chance": 1 / len(wanted),
    }


def _nearest_genre(places: np.ndarray, ears: Ears) -> np.ndarray:
    genres, lessons = np.array(ears.probe.genres), ears.probe.place(ears.lessons.hearing)
    means = [lessons[ears.lessons.labels.genre == genre].mean(axis=0) for genre in genres]
    return genres[_nearest(places, np.stack(means))]


def _nearest(places: np.ndarray, others: np.ndarray) -> np.ndarray:
    apart = np.square(places[:, None] - others).sum(axis=2)
    return apart.argmin(axis=1)
