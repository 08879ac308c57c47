"""Makes a corpus: plans, composes, renders and lists pieces, and keeps those made before."""

import hashlib
import math
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from soundstage.files import replacing
from soundstage.training.corpus.composition.compose import compose
from soundstage.training.corpus.composition.score import Score
from soundstage.training.corpus.fluidsynth import RATE_HZ, find_fluidsynth
from soundstage.training.corpus.manifest import Piece, PieceEntry, read_entries, write_manifest
from soundstage.training.corpus.music_facts import MusicFacts, facts_path
from soundstage.training.corpus.plan import Brief, Split, plan_piece
from soundstage.training.corpus.render import RENDER_VERSION, Renderer
from soundstage.training.corpus.sound import SoundSources
from soundstage.training.corpus.texts import describe

AudioFormat = Literal["flac", "ogg"]
# Texts mention only instruments that play in at least this share of the bars.
PLAYED_SHARE = 0.4
SUBTYPES = {"flac": "PCM_16", "ogg": "VORBIS"}


class Renderers:
    """One renderer a thread.

    Args:
        sources: the soundfonts and drum samples.
    """

    def __init__(self, sources: SoundSources) -> None:
        self.sources = sources
        self._own = threading.local()

    def render(self, brief: Brief, score: Score, piece_s: float) -> np.ndarray:
        """Renders a piece as `Renderer.render` does, with the renderer of the calling thread.

        Raises:
            RenderError: FluidSynth is missing or cannot read a soundfont.
        """
        if not hasattr(self._own, "renderer"):
            self._own.renderer = Renderer(self.sources)
        audio: np.ndarray = self._own.renderer.render(brief, score, piece_s)
        return audio


def recipe(brief: Brief, score: Score, sources: SoundSources, piece_s: float) -> str:
    """Returns the SHA-256, as hex digits, of everything that determines a piece's audio."""
    parts = (RENDER_VERSION, str(sources), brief, score, piece_s)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def piece_count(minutes: float, piece_s: float) -> int:
    """Returns the number of pieces that last at least `minutes` together."""
    return math.ceil(minutes * 60.0 / piece_s - 1e-9)


@dataclass(frozen=True)
class CorpusRequest:
    """The size, format and seed of a corpus.

    Attributes:
        folder: the corpus folder.
        minutes: total audio; rounded up to whole pieces.
        seed: the seed of the corpus.
        split: "train" or "heldout"; the two share no piece seed.
        piece_s: seconds of a piece.
        audio_format: the format of the files.
        sources: the soundfonts and drum samples.
        jobs: pieces rendered at a time.
    """

    folder: Path
    minutes: float
    seed: int
    split: Split
    piece_s: float
    audio_format: AudioFormat
    sources: SoundSources
    jobs: int = 2

    @property
    def pieces(self) -> int:
        """The number of pieces."""
        return piece_count(self.minutes, self.piece_s)


def make(request: CorpusRequest) -> Iterator[bool]:
    """Makes the missing pieces of a corpus; the manifest is updated after every piece.

    Args:
        request: the corpus.

    Yields:
        For each finished piece: whether it was rendered (True) or kept (False).

    Raises:
        RenderError: FluidSynth is missing or cannot read a soundfont.
        ManifestError: the manifest in the folder is damaged.
        OutputError: the folder cannot be written.
    """
    find_fluidsynth()
    (request.folder / request.split).mkdir(parents=True, exist_ok=True)
    known = {entry.piece.seed: entry for entry in read_entries(request.folder, request.split)}
    pool, renderers = ThreadPoolExecutor(request.jobs), Renderers(request.sources)
    waiting: set[Future[PieceEntry]] = set()
    try:
        for index in range(request.pieces):
            brief = plan_piece(request.seed, index, request.split)
            score = compose(brief, request.piece_s)
            entry = _entry(request, brief, score)
            old = known.get(brief.seed)
            if old is not None and old.recipe == entry.recipe and _is_there(entry.piece.path):
                known[brief.seed] = entry  # the texts may have changed, the sound has not
                yield False
                continue
            known.pop(brief.seed, None)
            waiting.add(pool.submit(_render, renderers, request, brief, score, entry))
            if len(waiting) > request.jobs:
                waiting = yield from _finished(waiting, known, request)
        while waiting:
            waiting = yield from _finished(waiting, known, request)
        write_manifest(request.folder, request.split, known.values())
    finally:
        pool.shutdown(cancel_futures=True)


def _is_there(path: Path) -> bool:
    return path.is_file() and facts_path(path).is_file()


def main_instruments(score: Score, piece_s: float) -> tuple[str, ...]:
    """Lists the instruments that play in at least `PLAYED_SHARE` of the bars of a piece.

    Args:
        score: the piece.
        piece_s: seconds of it that are rendered.

    Returns:
        Distinct names, in the order of the band; at least the name of the one that plays most.
    """
    bars = math.ceil(piece_s * score.tempo_bpm / 60.0 / score.beats_per_bar)
    shares: dict[str, float] = {}
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
        shares[track.instrument] = max(shares.get(track.instrument, 0.0), len(played) / bars)
    often = tuple(name for name, share in shares.items() if share >= PLAYED_SHARE)
    return often or (max(shares, key=lambda name: shares[name]),)


def _finished(
    waiting: set[Future[PieceEntry]], known: dict[int, PieceEntry], request: CorpusRequest
) -> Generator[bool, None, set[Future[PieceEntry]]]:
    done, rest = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        entry = future.result()
        known[entry.piece.seed] = entry
    write_manifest(request.folder, request.split, known.values())
    for _ in done:
        yield True
    return rest


def _entry(request: CorpusRequest, brief: Brief, score: Score) -> PieceEntry:
    instruments = main_instruments(score, request.piece_s)
    texts, heldout_texts = describe(brief, instruments)
    name = f"{brief.genre}-{brief.seed:08d}.{request.audio_format}"
    piece = Piece(
        path=request.folder / request.split / name,
        seed=brief.seed,
        split=request.split,
        genre=brief.genre,
        tempo_bpm=brief.tempo_bpm,
        tonic=brief.tonic,
        mode=brief.mode,
        density=brief.density,
        brightness=brief.brightness,
        instruments=instruments,
        texts=texts,
        heldout_texts=heldout_texts,
        duration_s=round(request.piece_s * RATE_HZ) / RATE_HZ,
        beats_per_bar=score.beats_per_bar,
    )
    return PieceEntry(piece, recipe(brief, score, request.sources, request.piece_s))


def _render(
    renderers: Renderers, request: CorpusRequest, brief: Brief, score: Score, entry: PieceEntry
) -> PieceEntry:
    audio = renderers.render(brief, score, request.piece_s)
    subtype = SUBTYPES[request.audio_format]
    facts = MusicFacts.of(score, brief.density, brief.brightness)
    facts.write(facts_path(entry.piece.path))
    with replacing(entry.piece.path) as file:
        soundfile.write(file, audio, RATE_HZ, subtype, format=request.audio_format.upper())
    return entry
