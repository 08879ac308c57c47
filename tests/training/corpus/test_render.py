"""Rendering of scores and of a corpus."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundstage.training.corpus.composition.compose import compose
from soundstage.training.corpus.fluidsynth import RATE_HZ, RenderError, _library, find_fluidsynth
from soundstage.training.corpus.loudness import loudness_lufs
from soundstage.training.corpus.manifest import read_manifest
from soundstage.training.corpus.music_facts import MusicFacts, facts_path
from soundstage.training.corpus.plan import plan_brief
from soundstage.training.corpus.production import CorpusRequest, make
from soundstage.training.corpus.render import Renderer
from soundstage.training.corpus.sound import SoundSources, draw_sound, find_sources

PIECE_S = 2.0
SMALL_FONTS = (Path("/usr/share/sounds/sf2/TimGM6mb.sf2"),)


@pytest.fixture(scope="module")
def sources():
    try:
        find_fluidsynth()
        small = next((path for path in SMALL_FONTS if path.is_file()), None)
        return find_sources(small)
    except RenderError as error:
        pytest.skip(f"needs FluidSynth and a soundfont: {error}")


@pytest.fixture(scope="module")
def all_sources():
    try:
        find_fluidsynth()
        return find_sources()
    except RenderError as error:
        pytest.skip(f"needs FluidSynth, both soundfonts and the drum samples: {error}")


def request_of(folder, sources, **changes):
    request = CorpusRequest(folder, 2 * PIECE_S / 60.0, 0, "train", PIECE_S, "flac", sources)
    return replace(request, **changes)


def test_rendered_piece_is_levelled_unclipped_and_reproducible(sources):
    brief = plan_brief(3, "jazz")
    score = compose(brief, PIECE_S)
    renderer = Renderer(sources)
    audio = renderer.render(brief, score, PIECE_S)
    assert audio.shape == (round(PIECE_S * RATE_HZ), 2)
    assert audio.dtype == np.float32
    assert np.abs(audio).max() < 10 ** (-1.0 / 20)
    assert loudness_lufs(audio, RATE_HZ) == pytest.approx(-16.0, abs=1.0)
    other = plan_brief(4, "house")
    renderer.render(other, compose(other, PIECE_S), PIECE_S)
    assert np.array_equal(audio, renderer.render(brief, score, PIECE_S))
    assert np.array_equal(audio, Renderer(sources).render(brief, score, PIECE_S))


def test_pieces_take_turns_with_soundfonts_and_drum_samples(all_sources):
    briefs = [plan_brief(seed, "house") for seed in range(40)]
    sounds = [draw_sound(b.seed, compose(b, PIECE_S), all_sources) for b in briefs]
    assert {sound.soundfont for sound in sounds} == {0, 1}
    assert 0.2 < np.mean([bool(sound.kit) for sound in sounds]) < 0.9
    piano = plan_brief(1, "classical_piano")
    assert draw_sound(1, compose(piano, PIECE_S), all_sources).kit == ""


def test_piece_with_drum_samples_is_reproducible_and_hits_on_the_beat(all_sources):
    brief = next(
        b
        for b in (plan_brief(seed, "house") for seed in range(40))
        if draw_sound(b.seed, compose(b, PIECE_S), all_sources).kit
    )
    drums = (("drums", "drum machine"),)
    brief = replace(brief, instruments=drums, breaks=0.0, tempo_bpm=120)
    score = compose(brief, PIECE_S)
    audio = Renderer(all_sources).render(brief, score, PIECE_S)
    assert np.array_equal(audio, Renderer(all_sources).render(brief, score, PIECE_S))
    power = (audio**2).sum(1)
    for beat in range(1, 4):
        at = round(beat * 0.5 * RATE_HZ)
        assert power[at : at + 2400].sum() > 3 * power[at - 2400 : at].sum()


def test_interrupted_corpus_is_resumed_and_keeps_its_pieces(tmp_path, sources):
    pieces = make(request_of(tmp_path, sources, jobs=1))
    assert next(pieces)
    pieces.close()
    done = read_manifest(tmp_path)
    assert done
    assert list(make(request_of(tmp_path, sources))).count(True) == 2 - len(done)
    before = {piece.path: piece.path.stat().st_mtime_ns for piece in read_manifest(tmp_path)}
    assert list(make(request_of(tmp_path, sources))) == [False, False]
    assert before == {path: path.stat().st_mtime_ns for path in before}
    stems = {p.stem for p in (tmp_path / "train").iterdir()}
    assert stems == {p.stem for p in before}
    for path in before:
        assert MusicFacts.read(facts_path(path)).known
    for piece in read_manifest(tmp_path):
        information = soundfile.info(piece.path)
        assert (information.samplerate, information.channels) == (RATE_HZ, 2)
        assert information.frames == piece.duration_s * RATE_HZ


def test_pieces_of_another_length_are_rendered_again(tmp_path, sources):
    for piece_s in (1.0, 2.0):
        request = request_of(tmp_path, sources, minutes=0.01, piece_s=piece_s)
        assert list(make(request)) == [True]
        (piece,) = read_manifest(tmp_path)
        assert soundfile.info(piece.path).frames == piece.duration_s * RATE_HZ == piece_s * RATE_HZ


def test_missing_library_is_named_with_its_package(monkeypatch):
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    _library.cache_clear()
    with pytest.raises(RenderError, match="apt install libfluidsynth3"):
        find_fluidsynth()
    _library.cache_clear()


def test_missing_sounds_are_named_with_their_packages(monkeypatch, tmp_path):
    with pytest.raises(RenderError, match=r"no\.sf2: no such file"):
        find_sources(tmp_path / "no.sf2")
    monkeypatch.setattr("soundstage.training.corpus.sound.SAMPLES", tmp_path)
    fonts = {"musescore-general-soundfont": (tmp_path / "no.sf3",)}
    monkeypatch.setattr("soundstage.training.corpus.sound.PACKAGES", fonts)
    with pytest.raises(RenderError, match="musescore-general-soundfont sonic-pi-samples"):
        find_sources()


def test_damaged_soundfont_is_refused(tmp_path):
    path = tmp_path / "bad.sf2"
    path.write_bytes(b"RIFF and nothing more")
    try:
        find_fluidsynth()
    except RenderError as error:
        pytest.skip(str(error))
    with pytest.raises(RenderError, match=r"bad\.sf2: FluidSynth cannot read it"):
        Renderer(SoundSources((path,), None))
