"""Makes a corpus: plans, composes, renders and lists, and keeps what is there already."""

import hashlib
import math
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import soundfile

from soundstage.files import replacing
from soundstage.training.corpus.composition.compose import compose
from soundstage.training.corpus.composition.score import Score
from soundstage.training.corpus.manifest import Piece, PieceEntry, read_entries, write_manifest
from soundstage.training.corpus.midi import midi_bytes
from soundstage.training.corpus.plan import Brief, Split, plan_piece
from soundstage.training.corpus.render import RATE_HZ, RENDER_VERSION, find_fluidsynth, render
from soundstage.training.corpus.texts import describe

AudioFormat = Literal["flac", "ogg"]
# Texts speak of an instrument that plays in at least this share of the bars.
HEARD_SHARE = 0.4
SUBTYPES = {"flac": "PCM_16", "ogg": "VORBIS"}


@dataclass(frozen=True)
class CorpusRequest:
    """What is to be made.

    Attributes:
        folder: where.
        minutes: audio in all; rounded up to whole pieces.
        seed: of the corpus.
        split: which half of the seeds.
        piece_s: seconds of a piece.
        audio_format: of the files.
        soundfont: an .sf2 or .sf3 file.
        jobs: pieces rendered at a time.
    """

    folder: Path
    minutes: float
    seed: int
    split: Split
    piece_s: float
    audio_format: AudioFormat
    soundfont: Path
    jobs: int = 2

    @property
    def pieces(self) -> int:
        """How many pieces."""
        return math.ceil(self.minutes * 60.0 / self.piece_s - 1e-9)


def make(order: CorpusRequest) -> Iterator[bool]:
    """Makes what is missing of a corpus; its list is complete after every piece.

    Args:
        order: what to make.

    Yields:
        For each piece, as it is done: whether it had to be made.

    Raises:
        RenderError: FluidSynth is missing or failed.
        ManifestError: the list in the folder is damaged.
        OutputError: the folder cannot be written.
    """
    find_fluidsynth()
    (order.folder / order.split).mkdir(parents=True, exist_ok=True)
    known = {entry.piece.seed: entry for entry in read_entries(order.folder, order.split)}
    pool = ThreadPoolExecutor(order.jobs)
    waiting: set[Future[PieceEntry]] = set()
    try:
        for index in range(order.pieces):
            brief = plan_piece(order.seed, index, order.split)
            score = compose(brief, order.piece_s)
            entry = _entry(order, brief, score)
            old = known.get(brief.seed)
            if old is not None and old.recipe == entry.recipe and entry.piece.path.is_file():
                known[brief.seed] = entry  # the texts may be new, the sound is not
                yield False
                continue
            known.pop(brief.seed, None)
            waiting.add(pool.submit(_render, order, brief, score, entry))
            if len(waiting) > order.jobs:
                waiting = yield from _settled(waiting, known, order)
        while waiting:
            waiting = yield from _settled(waiting, known, order)
        write_manifest(order.folder, order.split, known.values())
    finally:
        pool.shutdown(cancel_futures=True)


def heard(score: Score, piece_s: float) -> tuple[str, ...]:
    """The instruments that play in a good part of a piece, which its texts may speak of.

    Args:
        score: the piece.
        piece_s: seconds of it that are kept.

    Returns:
        Names without repetition in the order of the band; at least one.
    """
    bars = math.ceil(piece_s * score.tempo_bpm / 60.0 / score.beats_per_bar)
    found: dict[str, float] = {}
    for track in score.tracks:
        played = {
            bar
            for note in track.notes
            for bar in range(
                int(note.start // score.beats_per_bar),
                int((note.start + note.length) // score.beats_per_bar) + 1,
            )
            if bar < bars
        }
        found[track.instrument] = max(found.get(track.instrument, 0.0), len(played) / bars)
    often = tuple(name for name, share in found.items() if share >= HEARD_SHARE)
    return often or (max(found, key=lambda name: found[name]),)


def _settled(
    waiting: set[Future[PieceEntry]], known: dict[int, PieceEntry], order: CorpusRequest
) -> Generator[bool, None, set[Future[PieceEntry]]]:
    done, rest = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        entry = future.result()
        known[entry.piece.seed] = entry
    write_manifest(order.folder, order.split, known.values())
    for _ in done:
        yield True
    return rest


def _entry(order: CorpusRequest, brief: Brief, score: Score) -> PieceEntry:
    instruments = heard(score, order.piece_s)
    texts, heldout_texts = describe(brief, instruments)
    name = f"{brief.genre}-{brief.seed:08d}.{order.audio_format}"
    piece = Piece(
        path=order.folder / order.split / name,
        seed=brief.seed,
        split=order.split,
        genre=brief.genre,
        tempo_bpm=brief.tempo_bpm,
        tonic=brief.tonic,
        mode=brief.mode,
        density=brief.density,
        brightness=brief.brightness,
        instruments=instruments,
        texts=texts,
        heldout_texts=heldout_texts,
        duration_s=round(order.piece_s * RATE_HZ) / RATE_HZ,
    )
    levels = [track.level_lu for track in score.tracks]
    sound = (RENDER_VERSION, order.soundfont.name, brief.brightness, order.piece_s, levels)
    recipe = hashlib.sha256(midi_bytes(score) + repr(sound).encode()).hexdigest()
    return PieceEntry(piece, recipe)


def _render(order: CorpusRequest, brief: Brief, score: Score, entry: PieceEntry) -> PieceEntry:
    audio = render(score, brief.brightness, order.piece_s, order.soundfont)
    subtype = SUBTYPES[order.audio_format]
    with replacing(entry.piece.path) as file:
        soundfile.write(file, audio, RATE_HZ, subtype, format=order.audio_format.upper())
    return entry
