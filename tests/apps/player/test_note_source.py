"""Notes in a performance: MIDI files, instruments (with a stand-in for the library), letters."""

import asyncio
import sys
import time
from types import ModuleType, SimpleNamespace

import mido
import numpy as np
import pytest
import soundfile
from command_line import run, told
from note_graphs import ALLOW, CHUNK_S, NOTES

import soundstage
from soundstage.apps.player import note_source
from soundstage.apps.player.mixing_desk import MixingDesk
from soundstage.apps.player.note_source import KeysSpec, MidiInputSpec, play_message
from soundstage.apps.player.performance import Performance
from soundstage.apps.player.performer import Performer
from soundstage.apps.player.piano_keys import PianoKeys
from soundstage.apps.player.ring import Ring
from soundstage.errors import OutputError, UsageError
from soundstage.graph.format import Format
from soundstage.runners.local import LocalRunner
from soundstage.runners.sessions.notes import HeldNotes
from soundstage.runners.sessions.session import Session

FORMAT = Format(chunk_s=CHUNK_S)
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def runner():
    with LocalRunner(soundstage.load(NOTES, allow=ALLOW)) as runner:
        yield runner


def test_pressed_key_is_in_the_next_chunk_and_its_time_is_reported(runner):
    keys = HeldNotes(runner.graph.format)
    ring = Ring(4 * FORMAT.dims["sample"], 2, 1)
    performer = Performer(Session(runner), ring, 1, None, None, keys)
    performer._make()
    keys.press(60)
    performer._make()
    keys.release(60)
    performer._make()
    free, pressed, released = (performer.reports.get() for _ in range(3))
    assert free.key_to_sound_s is released.key_to_sound_s is None
    # A chunk was buffered before it, and the codec looks 40 ms ahead.
    assert CHUNK_S + 0.04 <= pressed.key_to_sound_s < CHUNK_S + 0.04 + PATIENCE_S
    audio = np.zeros((3 * FORMAT.dims["sample"], 2), np.float32)
    ring.fill(audio)
    middles = audio[:, 0].reshape(3, -1)[:, FORMAT.dims["sample"] // 2]
    np.testing.assert_allclose(middles, [-0.5, 0.06, -0.5], atol=1e-6)


@pytest.mark.parametrize(
    ("message", "held"),
    [
        (mido.Message("note_on", note=61, velocity=1), {60, 61}),
        (mido.Message("note_on", note=60, velocity=0), set()),
        (mido.Message("note_off", note=60), set()),
        (mido.Message("note_off", note=99), {60}),
        (mido.Message("control_change", control=123), set()),
        (mido.Message("control_change", control=7), {60}),
        (mido.Message("pitchwheel", pitch=3), {60}),
        (mido.Message("clock"), {60}),
    ],
)
def test_messages_of_an_instrument_press_and_release_keys(message, held):
    keys = HeldNotes(FORMAT)
    keys.press(60)
    play_message(keys, message)
    assert keys.held == held


def test_pedal_of_an_instrument_sustains():
    keys = HeldNotes(FORMAT)
    for message in (
        mido.Message("control_change", control=64, value=127),
        mido.Message("note_on", note=60),
        mido.Message("note_off", note=60),
    ):
        play_message(keys, message)
    assert keys.held == {60}
    play_message(keys, mido.Message("control_change", control=64, value=0))
    assert keys.held == set()


@pytest.fixture
def library(monkeypatch):
    """A stand-in for mido with one keyboard, which tests play and unplug."""
    library = ModuleType("mido")
    library.names, library.ports = ["pads", "a keyboard 20:0"], []

    def open_input(name, callback):
        port = SimpleNamespace(name=name, play=callback, closed=False)
        port.close = lambda: setattr(port, "closed", True)
        library.ports.append(port)
        return port

    library.get_input_names = lambda: list(library.names)
    library.open_input = open_input
    monkeypatch.setitem(sys.modules, "mido", library)
    monkeypatch.setattr(note_source, "LOOK_S", 0.01)
    return library


def wait_for(condition):
    end_s = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < end_s:
        time.sleep(0.005)
    assert condition()


def test_unplugged_instrument_ends_its_notes_and_plays_again_when_it_is_back(library):
    said = []
    with MidiInputSpec("KEYBOARD").open(FORMAT, said.append) as keys:
        library.ports[0].play(mido.Message("note_on", note=60))
        assert keys.held == {60}
        name = library.names.pop()
        wait_for(lambda: keys.held == set())
        library.names.append(name)
        wait_for(lambda: len(library.ports) == 2)
        library.ports[1].play(mido.Message("note_on", note=61))
        assert keys.held == {61}
    assert said == [f"{name}: unplugged; its notes have ended", f"{name}: plays again"]
    assert all(port.closed for port in library.ports)


def test_instrument_that_is_not_there_is_refused_with_those_that_are(library):
    with pytest.raises(OutputError, match=r"has 'organ' in its name: pads, a keyboard 20:0"):
        MidiInputSpec("organ").check(FORMAT)
    MidiInputSpec("").check(FORMAT)
    library.names.clear()
    with pytest.raises(OutputError, match="none is connected"):
        MidiInputSpec("").check(FORMAT)


def test_missing_library_is_said_with_its_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "mido", None)
    with pytest.raises(UsageError, match=r"pip install '\.\[midi\]'"):
        MidiInputSpec("").check(FORMAT)


def test_letters_are_a_piano_whose_octave_moves():
    piano = PianoKeys()
    assert [piano.pitch(key) for key in "awsk"] == [60, 61, 62, 72]
    assert piano.pitch("q") is piano.pitch("x") is None
    assert piano.pitch("a") == 72
    for _ in range(20):
        piano.pitch("z")
    assert piano.pitch("a") == 0
    for _ in range(20):
        piano.pitch("x")
    assert piano.pitch("p") <= 127


def test_letters_play_on_the_mixing_desk_while_they_are_asked_to(runner):
    keys, ring = HeldNotes(FORMAT), Ring(4 * FORMAT.dims["sample"], 2, 1)
    performer = Performer(Session(runner), ring, 1, None, None, keys)
    sink = SimpleNamespace(name="nothing", over=False, error=None)
    desk = MixingDesk(Performance(runner.graph, performer, ring, sink, None, None, keys))

    async def press():
        async with desk.run_test() as pilot:
            await pilot.press("a", "escape")  # adds a prompt, and does not
            assert not keys.take()[0].size
            await pilot.press("n", "a", "x", "s")
            assert keys.take()[0][0].nonzero()[0].tolist() == [60, 74]
            await pilot.press("exclamation_mark")
            assert keys.held == set()
            await pilot.press("n", "d")
            assert not keys.take()[0].size

    asyncio.run(press())


def test_keys_of_the_display_are_there_without_an_instrument():
    with KeysSpec().open(FORMAT, print) as keys:
        assert isinstance(keys, HeldNotes)


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("play", "--midi", "a.mid", "--midi-input", ""), 2, "exclude each other"),
        (("play", "--preset", "toy", "--midi", "a.mid"), 4, "hears no notes"),
        (("generate", "--preset", "toy", "--midi", "a.mid"), 4, "hears no notes"),
        (("generate", "--preset", "mrt2-tiny", "--midi", "a.mid"), 3, "No such file"),
    ],
)
def test_notes_that_cannot_be_played_are_one_line(words, code, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run(*words, "--output", "out.wav", "--duration", "1")
    assert ended.code == code
    assert reason in told(ended.stderr)
    assert not (tmp_path / "out.wav").exists()


def test_generated_music_plays_a_midi_file_along_its_own_clock(tmp_path, monkeypatch):
    song = mido.MidiFile(ticks_per_beat=100)
    song.tracks.append(
        mido.MidiTrack(
            [
                mido.Message("note_on", note=100, time=32),
                mido.Message("note_off", note=100, time=16),
            ]
        )
    )
    song.save(tmp_path / "a.mid")
    monkeypatch.chdir(tmp_path)
    words = ("--pipeline", NOTES, "--allow", *ALLOW, "--midi", "a.mid", "--duration", "0.4")
    made = run("generate", *words, "--output", "out.wav")
    assert made.code == 0, made.stderr
    frames = soundfile.read("out.wav")[0][::1920, 0]
    np.testing.assert_allclose(frames, [0, 0, 0, 0, 0.1, 0.1, *4 * [-0.5]], atol=1e-4)
    assert "played      a.mid" in run("inspect", "out.wav").stdout


def test_played_music_plays_a_midi_file_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    song = mido.MidiFile(ticks_per_beat=100)
    notes = [mido.Message("note_on", note=100), mido.Message("note_off", note=100, time=32)]
    song.tracks.append(mido.MidiTrack(notes))
    song.save("a.mid")
    words = ("--pipeline", NOTES, "--allow", *ALLOW, "--midi", "a.mid", "--duration", "0.4")
    played = run("play", *words, "--output", "out.wav", "--no-ui", "--latency", "0.5")
    assert played.code == 0, played.stderr
    frames = soundfile.read("out.wav")[0][960::1920, 0]
    np.testing.assert_allclose(frames, [*4 * [0.1], *6 * [-0.5]], atol=1e-4)
