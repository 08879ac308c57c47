"""Whether music that is under way becomes what it is steered to."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from evaluation.player import ROWS, Performer
from evaluation.probe_material import Heard, Material, Say, hear_played
from evaluation.settings import Settings
from evaluation.table import Row, Section
from evaluation.windows import labels_of
from soundstage.training.corpus.manifest import Piece


def turns_section(
    performer: Performer, material: Material, settings: Settings, say: Say
) -> Section:
    """Plays a held-out wording of every piece, then turns to that of another genre's piece.

    Raises:
        ValueError: the held-out pieces are of one genre.
    """
    old, new = _pairs(material.pieces)
    say(f"turning {len(old)} streams to another style")
    played = list(_turned(performer, old, new, settings))
    samples = settings.window_chunks * performer.format.dims["sample"]
    before, wanted = (labels_of(pieces, range(len(pieces))) for pieces in (old, new))
    rows: list[Row] = []
    for number, name in enumerate(("before the turn", "right behind it", "behind that")):
        window = slice(number * samples, (number + 1) * samples)
        heard = hear_played(material.listener, (one[window] for one in played), wanted)
        rows.append(_row(name, heard, before.genre, material))
    window_s = settings.window_chunks * performer.format.chunk_s
    note = f"""Every stream plays {window_s:g} s as one held-out wording asks, then as one of
        another genre does, at the pipeline's own guidance; nothing else changes, nothing is reset.
        Windows of {window_s:g} s, judged by ears used to the codec."""
    return Section("A change of style while it plays", note, rows)


def _pairs(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    """Every piece, and the next one of another genre."""
    others = []
    for number, piece in enumerate(pieces):
        behind = [*pieces[number:], *pieces[:number]]
        others.append(next((one for one in behind if one.genre != piece.genre), None))
    found = [other for other in others if other is not None]
    if len(found) != len(pieces):
        raise ValueError("a turn takes held-out pieces of two genres at least")
    return list(pieces), found


def _turned(
    performer: Performer, old: Sequence[Piece], new: Sequence[Piece], settings: Settings
) -> Iterator[np.ndarray]:
    chunks = settings.window_chunks
    for first in range(0, len(old), ROWS):
        some = range(first, min(first + ROWS, len(old)))
        rows = [
            {"prompts": [old[row].heldout_texts[0]], "seed": settings.seed + row} for row in some
        ]
        session = performer.session(rows)
        parts = [chunk.audio for chunk in islice(session, chunks)]
        for place, row in enumerate(some):
            session.steer(place, prompts=[new[row].heldout_texts[0]])
        parts += [chunk.audio for chunk in islice(session, 2 * chunks)]
        yield from np.concatenate(parts, axis=1)


def _row(name: str, heard: Heard, old: np.ndarray, material: Material) -> Row:
    judged = material.fair_ears.probe.judge(heard.hearing).genre
    return {
        "what": name,
        "windows": len(heard),
        "of the new genre": float((judged == heard.labels.genre).mean()),
        "of the old genre": float((judged == old).mean()),
    }
