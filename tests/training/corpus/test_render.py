"""Rendering of scores and of a corpus."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from soundstage.training.corpus.composition.compose import compose
from soundstage.training.corpus.loudness import loudness_lufs
from soundstage.training.corpus.manifest import read_manifest
from soundstage.training.corpus.music_facts import MusicFacts, facts_path
from soundstage.training.corpus.plan import plan_brief
from soundstage.training.corpus.production import CorpusRequest, make
from soundstage.training.corpus.render import (
    RATE_HZ,
    RenderError,
    brightened,
    find_fluidsynth,
    find_soundfont,
    render,
)

PIECE_S = 2.0


@pytest.fixture
def soundfont():
    try:
        find_fluidsynth()
        return find_soundfont()
    except RenderError as error:
        pytest.skip(f"needs FluidSynth and a soundfont: {error}")


def request_of(folder, soundfont, **changes):
    request = CorpusRequest(folder, 2 * PIECE_S / 60.0, 0, "train", PIECE_S, "flac", soundfont)
    return replace(request, **changes)


def test_rendered_piece_is_levelled_unclipped_and_reproducible(soundfont):
    brief = plan_brief(3, "jazz")
    score = compose(brief, PIECE_S)
    audio = render(score, brief.brightness, PIECE_S, soundfont)
    assert audio.shape == (round(PIECE_S * RATE_HZ), 2)
    assert audio.dtype == np.float32
    assert np.abs(audio).max() < 10 ** (-1.0 / 20)
    assert loudness_lufs(audio, RATE_HZ) == pytest.approx(-16.0, abs=1.0)
    assert np.array_equal(audio, render(score, brief.brightness, PIECE_S, soundfont))


def test_interrupted_corpus_is_resumed_and_keeps_its_pieces(tmp_path, soundfont):
    pieces = make(request_of(tmp_path, soundfont, jobs=1))
    assert next(pieces)
    pieces.close()
    done = read_manifest(tmp_path)
    assert done
    assert list(make(request_of(tmp_path, soundfont))).count(True) == 2 - len(done)
    before = {piece.path: piece.path.stat().st_mtime_ns for piece in read_manifest(tmp_path)}
    assert list(make(request_of(tmp_path, soundfont))) == [False, False]
    assert before == {path: path.stat().st_mtime_ns for path in before}
    stems = {p.stem for p in (tmp_path / "train").iterdir()}
    assert stems == {p.stem for p in before}
    for path in before:
        assert MusicFacts.read(facts_path(path)).known
    for piece in read_manifest(tmp_path):
        information = soundfile.info(piece.path)
        assert (information.samplerate, information.channels) == (RATE_HZ, 2)
        assert information.frames == piece.duration_s * RATE_HZ


def test_pieces_of_another_length_are_rendered_again(tmp_path, soundfont):
    for piece_s in (1.0, 2.0):
        request = request_of(tmp_path, soundfont, minutes=0.01, piece_s=piece_s)
        assert list(make(request)) == [True]
        (piece,) = read_manifest(tmp_path)
        assert soundfile.info(piece.path).frames == piece.duration_s * RATE_HZ == piece_s * RATE_HZ


def test_brightness_moves_the_spectrum():
    noise = np.random.default_rng([4]).standard_normal((RATE_HZ, 2))

    def centre_hz(brightness):
        power = np.abs(np.fft.rfft(brightened(noise, RATE_HZ, brightness)[:, 0])) ** 2
        return (power * np.fft.rfftfreq(RATE_HZ, 1 / RATE_HZ)).sum() / power.sum()

    centres = [centre_hz(brightness) for brightness in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert centres == sorted(centres)
    assert centres[0] < 0.5 * centres[-1]


def test_inaudible_offset_is_removed():
    tone = np.sin(2 * np.pi * 220 * np.arange(RATE_HZ) / RATE_HZ)[:, None] * [0.1, 0.1]
    audio = brightened(tone + 0.5, RATE_HZ, 0.5)
    assert abs(audio.mean()) < 0.001
    assert np.abs(audio).max() < 0.15


def test_missing_program_is_named_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("fluidsynth") is None
    with pytest.raises(RenderError, match="apt install fluidsynth fluid-soundfont-gm"):
        find_fluidsynth()


def test_missing_soundfont_is_named(monkeypatch, tmp_path):
    with pytest.raises(RenderError, match=r"no\.sf2: no such file"):
        find_soundfont(tmp_path / "no.sf2")
    monkeypatch.setattr("soundstage.training.corpus.render.SOUNDFONTS", (tmp_path / "no.sf2",))
    with pytest.raises(RenderError, match="fluid-soundfont-gm"):
        find_soundfont()
