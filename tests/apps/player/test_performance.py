"""Performances: chunks come just in time, steering is heard, every underrun has a cause."""

import json
import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
import soundfile
from played_graphs import CHUNK_S, CHUNK_SAMPLES, RATE_HZ, dragging, graph, hitching, humming

import soundstage
from soundstage.apps.commands.pipeline_choice import PipelineChoice
from soundstage.apps.commands.play.playback import Performance, PlayRequest, play
from soundstage.apps.player.lines import Warnings, chunk_line
from soundstage.apps.player.performer import Performer
from soundstage.apps.player.pipes import FileOutput
from soundstage.apps.player.prompt_mix import PromptMix
from soundstage.apps.player.ring import Ring
from soundstage.apps.player.sink import Paced
from soundstage.graph.control import ControlError
from soundstage.progress import Silent
from soundstage.runners.local import LocalRunner
from soundstage.runners.runner import StageFailed
from soundstage.runners.sessions.files import read_session
from soundstage.runners.sessions.prompts import Audio, Style, Text
from soundstage.runners.sessions.session import Session
from soundstage.runners.timing.lateness import Lateness

FADE = 20


@dataclass
class Listener:
    """A destination that keeps the audio that it receives in real time."""

    blocks: list = field(default_factory=list)

    def check(self, sample_rate_hz, channels):
        self.rate_hz = sample_rate_hz

    @contextmanager
    def open(self, sample_rate_hz, channels):
        sink = Paced("listener", lambda b: self.blocks.append(b.copy()), sample_rate_hz, channels)
        try:
            yield sink
        finally:
            sink.close()

    @property
    def heard(self):
        return np.concatenate(self.blocks)


@contextmanager
def performing(tables, ahead=1, total=None, rows=({},)):
    """A performance of a graph's tables, and its listener."""
    listener = Listener()
    checked = graph(tables) if isinstance(tables, dict) else tables
    samples, format = checked.format.dims["sample"], checked.format
    with LocalRunner(checked) as runner, listener.open(format.sample_rate_hz, 2) as sink:
        ring = Ring((ahead + 2) * samples, 2, FADE)
        performer = Performer(Session(runner, rows), ring, ahead, total)
        performance = Performance(
            checked, performer, ring, sink, PromptMix.read(performer.controls), None
        )
        performer.start()
        performer.wait_until_full()
        sink.start(ring)
        try:
            yield performance, listener
        finally:
            performance.stop()


def watch(performance, until):
    """Reads reports until there are enough; returns them and their lines."""
    warnings, lines = Warnings(performance), []
    reports = []
    while not performance.over and not until(reports):
        reports.append(performance.performer.reports.get(timeout=60))
        lines += [*warnings.about(reports[-1]), chunk_line(reports[-1])]
    return reports, lines


def wait_for(what, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_music_of_a_given_length_is_played_whole_in_real_time():
    total = 3 * CHUNK_SAMPLES + 123
    start = time.monotonic()
    with performing(humming(), ahead=3, total=total) as (performance, listener):
        wait_for(lambda: performance.over)
        took_s = time.monotonic() - start
        performance.raise_error()
    played = listener.heard[:, 0]
    assert np.count_nonzero(played) == total
    assert np.all(played[FADE : total - FADE] == 0.5)
    # As much as a sound card's buffer is pulled at once, the rest by the clock.
    assert took_s > total / RATE_HZ - 0.25


def test_slow_stage_is_named_and_its_silence_counted():
    with performing(dragging(1.5 * CHUNK_S)) as (performance, listener):
        reports, lines = watch(performance, lambda reports: sum(r.ran_out for r in reports) == 3)
    late = [report for report in reports if report.ran_out]
    assert [report.late.stage for report in late] == ["slow"] * 3
    assert all(report.late.took_s >= 1.5 * CHUNK_S for report in late)
    assert all(report.slack_s == 0.0 and report.silent_s > 0 for report in late[1:])
    assert performance.ring.underruns >= 3
    assert performance.performer.verdict.word == "too slow"
    assert any("does not play in real time" in line for line in lines)
    assert any(line.startswith("underrun before chunk") and "slow took" in line for line in lines)
    assert np.abs(np.diff(listener.heard, axis=0)).max() < 0.1


def test_first_chunk_is_heard_at_once_and_its_time_is_not_measured():
    with performing(hitching(0, 3 * CHUNK_S)) as (performance, listener):
        assert performance.performer.reports.qsize() >= 1  # on a busy machine more are made by now
        reports, _ = watch(performance, lambda reports: len(reports) == 4)
    assert listener.heard.any()
    assert reports[0].wall_s > performance.performer.verdict.worst_s


def test_one_slow_chunk_is_one_underrun_with_its_usual_time():
    with performing(hitching(4, 3 * CHUNK_S)) as (performance, _):
        reports, lines = watch(performance, lambda reports: len(reports) == 7)
    (late,) = [r for r in reports if r.ran_out and r.late is not None and r.late.chunk == 4]
    assert (late.late.stage, late.chunk) == ("slow", 4)
    assert late.late.usual_s < CHUNK_S
    assert late.silent_s > CHUNK_S
    assert any("(usually 0.0" in line for line in lines)


def test_six_buffered_chunks_survive_a_slow_chunk():
    with performing(hitching(8, 2 * CHUNK_S), ahead=6) as (performance, _):
        watch(performance, lambda reports: len(reports) == 10)
        assert performance.ring.underruns == 0


def test_slowest_chunk_since_a_full_buffer_is_blamed():
    lateness = Lateness(1.0)
    for chunk in range(3):
        lateness.add(chunk, 0.5, {"sample": 0.4, "decode": 0.1}, stocked=True)
    lateness.add(3, 2.9, {"sample": 0.4, "decode": 2.5}, stocked=True)
    lateness.add(4, 0.5, {"sample": 0.4, "decode": 0.1}, stocked=False)
    late = lateness.blame()
    assert (late.chunk, late.stage, late.took_s, late.usual_s) == (3, "decode", 2.5, 0.1)
    assert str(late) == "decode took 2.50 s (usually 0.10 s)"


def test_heaviest_stage_is_blamed_if_all_are_slow():
    lateness = Lateness(1.0)
    for chunk in range(3):
        lateness.add(chunk, 3.0, {"sample": 2.0, "decode": 1.0}, stocked=False)
    assert lateness.blame().stage == "sample"


def test_no_stage_is_blamed_if_none_was_slow():
    lateness = Lateness(1.0)
    lateness.add(0, 0.1, {"sample": 0.1}, stocked=False)
    assert lateness.blame() is None


def test_pause_stops_the_music_once_the_buffer_is_full():
    with performing(humming(), ahead=2) as (performance, _):
        performance.ring.pause()
        wait_for(lambda: performance.ring.buffered_samples >= 2 * CHUNK_SAMPLES)
        wait_for(lambda: not performance.ring.peaks(10).any())
        heard = performance.ring.heard_samples
        buffered = performance.ring.buffered_samples
        time.sleep(3 * CHUNK_S)
        assert performance.ring.heard_samples == heard
        assert performance.ring.buffered_samples == buffered
        performance.ring.pause(False)
        wait_for(lambda: performance.ring.heard_samples > heard)
        assert performance.ring.underruns == 0


# ---- steering


@pytest.fixture(scope="module")
def toy():
    """The preset toy with short chunks."""
    return soundstage.load("toy", settings=["format.chunk_s=0.4"])


def test_steering_keeps_valid_values_and_refuses_invalid_ones(toy):
    with performing(toy) as (performance, _):
        performer = performance.performer
        performer.steer({"temperature": 0.5, "seed": 7, "prompts": ["dub:0.5"]})
        with pytest.raises(ControlError, match="outside the range"):
            performer.steer({"temperature": 50.0})
        with pytest.raises(ControlError, match="no control"):
            performer.steer({"loudness": 1})
        assert performer.controls["temperature"] == 0.5
        assert (performer.controls["texts"], performer.controls["text_weights"]) == (["dub"], [0.5])
        reports, _ = watch(performance, lambda reports: len(reports) == 4)
        assert [report.chunk for report in reports] == list(range(4))
        assert performer.error is None


def test_reset_restarts_at_chunk_0_without_an_underrun(toy):
    with performing(toy, ahead=2) as (performance, _):
        watch(performance, lambda reports: len(reports) == 4)
        performance.performer.reset()
        watch(performance, lambda reports: reports and reports[-1].chunk == 0)
        performance.performer.reset()
        performance.performer.reset()
        watch(performance, lambda reports: reports and reports[-1].chunk == 2)
        assert performance.performer.error is None
        assert performance.ring.underruns == 0


def test_saved_session_continues_to_the_same_bytes(toy, tmp_path):
    with performing(toy, rows=[{"seed": 3}]) as (performance, _):
        watch(performance, lambda reports: len(reports) == 2)
        performance.performer.steer({"temperature": 0.3})
        performance.performer.save(tmp_path / "set.session")
    with LocalRunner(toy) as runner:
        saved = read_session(tmp_path / "set.session")
        resumed = Session.resume(runner, saved)
        first = resumed.state.chunks[0]
        again = Session(runner, [{"seed": 3}])
        for _ in range(first):
            next(again)
        again.steer(temperature=0.3)
        assert np.array_equal(next(resumed).audio, next(again).audio)


def test_moments_of_steering_are_cues_of_the_file(toy, tmp_path, monkeypatch):
    path = tmp_path / "set.wav"
    monkeypatch.setattr(PipelineChoice, "load", lambda choice: toy)

    def steer(performance):
        wait_for(lambda: performance.ring.heard_samples > 0)
        changes = {"texts": ["jazz", "dub"], "text_weights": [1.0, 0.5], "temperature": 0.5}
        performance.performer.steer(changes)
        performance.performer.steer({"seed": 7})
        wait_for(lambda: len(performance.ring.cues) == 1)
        performance.performer.reset()
        wait_for(lambda: len(performance.ring.cues) == 2)

    play(PlayRequest((), FileOutput(str(path), print, cues=True)), Silent(), steer)
    written = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert (written["file"], written["sample_rate_hz"]) == ("set.wav", 48_000)
    assert written["samples"] == soundfile.info(path).frames
    labels = [cue["label"] for cue in written["cues"]]
    steered = "jazz, dub (0.5); temperature 0.5"
    # The performer may take both changes at once, or one after the other.
    assert labels[0] in (steered, f"{steered}; seed 7")
    assert labels[-1] == "starts again"
    places = [cue["sample"] for cue in written["cues"]]
    assert 0 < places[0] < places[-1] < written["samples"]
    assert written["cues"][0]["seconds"] == pytest.approx(places[0] / 48_000, abs=1e-6)
    data = path.read_bytes()
    assert b"cue " + struct.pack("<II", 4 + 24 * len(places), len(places)) in data
    assert labels[0].encode() in data


def test_stage_that_fails_ends_the_performance_and_is_named():
    tables = humming(("Trap", {"number": 2}, {"a": "index.number"}))
    with performing(tables) as (performance, _):
        wait_for(lambda: performance.over)
        with pytest.raises(StageFailed, match="'slow' failed at chunk 2"):
            performance.raise_error()


def test_ctrl_c_ends_the_music_with_a_fade_and_saves(tmp_path):
    listener, path = Listener(), tmp_path / "set.session"

    def leave(performance):
        wait_for(lambda: performance.ring.heard_samples > 0)
        raise KeyboardInterrupt

    choice = PipelineChoice(preset="toy", settings=("format.chunk_s=0.4",))
    request = PlayRequest((Text("bells"),), listener, choice=choice, save=path)
    with pytest.raises(KeyboardInterrupt):
        play(request, Silent(), leave)
    assert read_session(path).spec.name == "toy"
    assert not listener.heard[-1].any()
    assert not [t for t in threading.enumerate() if t.name == "sink"]


# ---- prompts as faders


def test_prompt_mix_and_its_controls_hold_the_same_prompts(toy):
    row = Session(LocalRunner(toy), [{"prompts": [("pads", 0.3), ("jazz", 0.7)]}]).controls[0]
    mix = PromptMix.read(row)
    assert [(fader.name, round(fader.weight, 3)) for fader in mix.faders] == [
        ("pads", 0.3),
        ("jazz", 0.7),
    ]
    changed = mix.with_weight(0, 0.0).with_text(Text("dub", 2.0)).with_text(Text("jazz", 0.1))
    controls = changed.controls(toy)
    assert controls["texts"] == ["pads", "jazz", "dub"]
    assert controls["text_weights"] == [0.0, 0.1, 2.0]
    assert changed.without(0).controls(toy)["texts"] == ["jazz", "dub"]


def test_style_vectors_become_faders(toy):
    vector = np.linspace(-1, 1, 768, dtype=np.float32)
    mix = PromptMix.of((Text("pads"), Style(vector, 0.5)), toy).with_weight(1, 2.0)
    changed = mix.with_text(Text("jazz"))
    assert [fader.name for fader in changed.faders] == ["pads", "jazz", "style vector"]
    row = Session(LocalRunner(toy), [changed.controls(toy)]).controls[0]
    assert row["texts"] == ["pads", "jazz"]
    np.testing.assert_array_equal(row["styles"], vector[None])
    assert row["style_weights"].tolist() == [2.0]
    assert [fader.name for fader in PromptMix.read(row).faders][-1] == "style vector 1"


def test_audio_prompts_become_faders(toy):
    piano = "docs/audio/piano.ogg"
    prompts = (Text("pads"), Audio(piano, weight=0.5))
    mix = PromptMix.of(prompts, toy)
    assert [(fader.name, fader.weight) for fader in mix.faders] == [
        ("pads", 1.0),
        ("piano.ogg", 0.5),
    ]
    row = Session(LocalRunner(toy), [{"prompts": prompts}]).controls[0]
    controls = mix.controls(toy)
    assert np.array_equal(controls["clips"], row["clips"])
    assert np.allclose(controls["clip_weights"], row["clip_weights"])
    again = PromptMix.read(row)
    assert again.faders[1].name == f"audio ({len(row['clips'])} clips)"
    assert np.allclose(again.controls(toy)["clip_weights"], row["clip_weights"])
    assert PromptMix.read({"seed": 1}) is None
