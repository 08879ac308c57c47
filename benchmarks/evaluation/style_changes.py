"""Style changes: does running music follow a new prompt?"""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from evaluation.player import ROWS, PromptPlayer, seeded_rows
from evaluation.probe_material import LabelledWindows, Log, Material, label_audio
from evaluation.settings import Settings
from evaluation.table import Row, Section
from evaluation.windows import labels_of
from soundstage.training.corpus.manifest import Piece


def style_change_section(
    player: PromptPlayer, material: Material, settings: Settings, log: Log
) -> Section:
    """Plays a held-out text of every piece, then that of a piece of another genre.

    Raises:
        ValueError: all held-out pieces are of one genre.
    """
    old, new = _pairs(material.pieces)
    log(f"changing the style of {len(old)} streams")
    audio = list(_changing(player, old, new, settings))
    samples = settings.window_chunks * player.format.dims["sample"]
    old_labels, new_labels = (labels_of(pieces, range(len(pieces))) for pieces in (old, new))
    rows: list[Row] = []
    for number, name in enumerate(("before the change", "right after it", "after that")):
        window = slice(number * samples, (number + 1) * samples)
        windows = label_audio(material.extractor, (one[window] for one in audio), new_labels)
        rows.append(_row(name, windows, old_labels.genre, material))
    window_s = settings.window_chunks * player.format.chunk_s
    note = f"""Every stream plays one held-out text for {window_s:g} s, then a text of another
        genre, at the pipeline's own guidance; nothing else changes, and no state is reset. Windows
        of {window_s:g} s, judged by a probe fitted to decoded music."""
    return Section("A change of style during play", note, rows)


def _pairs(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    """Pairs every piece with the next piece of another genre."""
    others = []
    for number, piece in enumerate(pieces):
        following = [*pieces[number:], *pieces[:number]]
        others += [one for one in following if one.genre != piece.genre][:1]
    if len(others) != len(pieces):
        raise ValueError("a change of style needs held-out pieces of at least two genres")
    return list(pieces), others


def _changing(
    player: PromptPlayer, old: Sequence[Piece], new: Sequence[Piece], settings: Settings
) -> Iterator[np.ndarray]:
    chunks = settings.window_chunks
    for first in range(0, len(old), ROWS):
        some = slice(first, first + ROWS)
        texts = [piece.heldout_texts[0] for piece in old[some]]
        session = player.session(seeded_rows(texts, settings.seed + first))
        parts = [chunk.audio for chunk in islice(session, chunks)]
        for index, piece in enumerate(new[some]):
            session.steer(index, prompts=[piece.heldout_texts[0]])
        parts += [chunk.audio for chunk in islice(session, 2 * chunks)]
        yield from np.concatenate(parts, axis=1)


def _row(name: str, windows: LabelledWindows, old: np.ndarray, material: Material) -> Row:
    judged = material.fair_probe.probe.judge(windows.features).genre
    return {
        "what": name,
        "windows": len(windows),
        "of the new genre": float((judged == windows.labels.genre).mean()),
        "of the old genre": float((judged == old).mean()),
    }
