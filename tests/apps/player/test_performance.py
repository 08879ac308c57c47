"""Performances: just in time, steered while they sound, and every underrun has a culprit."""

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from played_graphs import CHUNK_S, CHUNK_SAMPLES, RATE_HZ, dragging, graph, hitching, humming

import soundstage
from soundstage.apps.commands.pipeline_choice import PipelineChoice
from soundstage.apps.commands.play.playback import Performance, PlayRequest, play
from soundstage.apps.player.lines import News, chunk_line
from soundstage.apps.player.performer import Performer
from soundstage.apps.player.prompt_mix import PromptMix
from soundstage.apps.player.ring import Ring
from soundstage.apps.player.sink import Paced
from soundstage.graph.control import ControlError
from soundstage.progress import Silent
from soundstage.runners.local import LocalRunner
from soundstage.runners.runner import StageFailed
from soundstage.runners.sessions.files import read_session
from soundstage.runners.sessions.prompts import Audio, Text
from soundstage.runners.sessions.session import Session
from soundstage.runners.timing.lateness import Lateness

FADE = 20


@dataclass
class Listener:
    """A sink that keeps what it gets, in real time."""

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
    """A performance without a graph file: (performance, what was heard)."""
    listener = Listener()
    made = graph(tables) if isinstance(tables, dict) else tables
    samples, format = made.format.dims["sample"], made.format
    with LocalRunner(made) as runner, listener.open(format.sample_rate_hz, 2) as sink:
        runner.warm_up(1)
        ring = Ring((ahead + 2) * samples, 2, FADE)
        performer = Performer(Session(runner, rows), ring, ahead, total)
        performance = Performance(
            made, performer, ring, sink, PromptMix.read(performer.controls), None
        )
        performer.start()
        performer.wait_until_full()
        sink.start(ring)
        try:
            yield performance, listener
        finally:
            performance.stop()


def watch(performance, until):
    """Reads news until there is enough of it."""
    news, lines = News(performance), []
    made = []
    while not performance.over and not until(made):
        made.append(performance.performer.made.get(timeout=60))
        lines += [*news.about(made[-1]), chunk_line(made[-1])]
    return made, lines


def wait_for(what, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_music_of_a_given_length_is_heard_to_its_end_in_real_time():
    total = 3 * CHUNK_SAMPLES + 123
    start = time.monotonic()
    with performing(humming(), ahead=3, total=total) as (performance, listener):
        wait_for(lambda: performance.over)
        took_s = time.monotonic() - start
        performance.refuse_fault()
    played = listener.heard[:, 0]
    assert np.count_nonzero(played) == total
    assert np.all(played[FADE : total - FADE] == 0.5)
    # What a sound card's buffer would hold is pulled at once, the rest by the clock.
    assert took_s > total / RATE_HZ - 0.25


def test_a_slow_stage_is_named_and_its_silence_counted():
    with performing(dragging(1.5 * CHUNK_S)) as (performance, listener):
        made, lines = watch(performance, lambda made: sum(m.ran_out for m in made) == 3)
    late = [m for m in made if m.ran_out]
    assert [m.late.stage for m in late] == ["slow"] * 3
    assert all(m.late.took_s >= 1.5 * CHUNK_S for m in late)
    assert all(m.slack_s == 0.0 and m.silent_s > 0 for m in late[1:])
    assert performance.ring.underruns >= 3
    assert performance.performer.verdict.word == "too slow"
    assert any("does not play in real time" in line for line in lines)
    assert any(line.startswith("underrun before chunk") and "slow took" in line for line in lines)
    assert np.abs(np.diff(listener.heard, axis=0)).max() < 0.1


def test_one_slow_chunk_is_one_underrun_and_told_against_what_is_usual():
    with performing(hitching(4, 3 * CHUNK_S)) as (performance, _):
        made, lines = watch(performance, lambda made: len(made) == 7)
    (late,) = [m for m in made if m.ran_out and m.late is not None and m.late.chunk == 4]
    assert (late.late.stage, late.chunk) == ("slow", 4)
    assert late.late.usual_s < CHUNK_S
    assert late.silent_s > CHUNK_S
    assert any("(usually 0.0" in line for line in lines)


def test_more_in_stock_survives_what_less_does_not():
    with performing(hitching(8, 2 * CHUNK_S), ahead=6) as (performance, _):
        watch(performance, lambda made: len(made) == 10)
        assert performance.ring.underruns == 0


def test_who_used_up_the_stock_is_to_blame_even_if_the_next_chunk_ran_dry():
    lateness = Lateness(1.0)
    for chunk in range(3):
        lateness.add(chunk, 0.5, {"sample": 0.4, "decode": 0.1}, stocked=True)
    lateness.add(3, 2.9, {"sample": 0.4, "decode": 2.5}, stocked=True)
    lateness.add(4, 0.5, {"sample": 0.4, "decode": 0.1}, stocked=False)
    blamed = lateness.blame()
    assert (blamed.chunk, blamed.stage, blamed.took_s, blamed.usual_s) == (3, "decode", 2.5, 0.1)
    assert str(blamed) == "decode took 2.50 s (usually 0.10 s)"


def test_if_all_is_slow_the_heaviest_stage_is_to_blame():
    lateness = Lateness(1.0)
    for chunk in range(3):
        lateness.add(chunk, 3.0, {"sample": 2.0, "decode": 1.0}, stocked=False)
    assert lateness.blame().stage == "sample"


def test_if_no_stage_was_slow_none_is_blamed():
    lateness = Lateness(1.0)
    lateness.add(0, 0.1, {"sample": 0.1}, stocked=False)
    assert lateness.blame() is None


def test_a_pause_holds_the_music_and_makes_no_more_than_the_stock():
    with performing(humming(), ahead=2) as (performance, _):
        performance.ring.pause()
        wait_for(lambda: performance.ring.buffered_samples >= 2 * CHUNK_SAMPLES)
        wait_for(lambda: not performance.ring.peaks(10).any())
        heard = performance.ring.heard_samples
        stock = performance.ring.buffered_samples
        time.sleep(3 * CHUNK_S)
        assert performance.ring.heard_samples == heard
        assert performance.ring.buffered_samples == stock
        performance.ring.pause(False)
        wait_for(lambda: performance.ring.heard_samples > heard)
        assert performance.ring.underruns == 0


# ---- steering


@pytest.fixture(scope="module")
def toy():
    """The preset toy with short chunks."""
    return soundstage.load("toy", settings=["format.chunk_s=0.4"])


def test_a_style_is_heard_from_the_next_chunk_on_and_nonsense_is_refused(toy):
    with performing(toy) as (performance, _):
        performer = performance.performer
        performer.steer({"temperature": 0.5, "seed": 7})
        with pytest.raises(ControlError, match="outside the range"):
            performer.steer({"temperature": 50.0})
        with pytest.raises(ControlError, match="no control"):
            performer.steer({"loudness": 1})
        assert performer.controls["temperature"] == 0.5
        made, _ = watch(performance, lambda made: len(made) == 4)
        assert [m.chunk for m in made] == list(range(4))
        assert performer.fault is None


def test_a_reset_begins_at_chunk_0_without_a_hole(toy):
    with performing(toy, ahead=2) as (performance, _):
        watch(performance, lambda made: len(made) == 4)
        performance.performer.reset()
        watch(performance, lambda made: made and made[-1].chunk == 0)
        performance.performer.reset()
        performance.performer.reset()
        watch(performance, lambda made: made and made[-1].chunk == 2)
        assert performance.performer.fault is None
        assert performance.ring.underruns == 0


def test_a_saved_session_goes_on_to_the_bytes_that_would_have_been_heard(toy, tmp_path):
    with performing(toy, rows=[{"seed": 3}]) as (performance, _):
        watch(performance, lambda made: len(made) == 2)
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


def test_a_stage_that_fails_ends_the_performance_with_its_name():
    tables = humming(("Trap", {"number": 2}, {"a": "index.number"}))
    with performing(tables) as (performance, _):
        wait_for(lambda: performance.over)
        with pytest.raises(StageFailed, match="'slow' failed at chunk 2"):
            performance.refuse_fault()


def test_ctrl_c_ends_the_music_with_a_fade_and_saves(tmp_path):
    listener, path = Listener(), tmp_path / "set.session"

    def leave(performance):
        wait_for(lambda: performance.ring.heard_samples > 0)
        raise KeyboardInterrupt

    choice = PipelineChoice(preset="toy", settings=("format.chunk_s=0.4",))
    order = PlayRequest((Text("bells"),), listener, choice=choice, save=path)
    with pytest.raises(KeyboardInterrupt):
        play(order, Silent(), leave)
    assert read_session(path).spec.name == "toy"
    assert not listener.heard[-1].any()
    assert not [t for t in threading.enumerate() if t.name == "sink"]


# ---- prompts as faders


def test_a_mix_says_what_its_controls_say(toy):
    row = Session(LocalRunner(toy), [{"prompts": [("pads", 0.3), ("jazz", 0.7)]}]).controls[0]
    mix = PromptMix.read(row)
    assert [(part.name, round(part.weight, 3)) for part in mix.parts] == [
        ("pads", 0.3),
        ("jazz", 0.7),
    ]
    changed = mix.weighted(0, 0.0).joined_by(Text("dub", 2.0)).joined_by(Text("jazz", 0.1))
    controls = changed.controls(toy.format)
    assert controls["texts"] == ["pads", "jazz", "dub"]
    assert controls["text_weights"] == [0.0, 0.1, 2.0]
    assert changed.without(0).controls(toy.format)["texts"] == ["jazz", "dub"]


def test_audio_prompts_are_faders_as_well(toy):
    piano = "docs/audio/piano.ogg"
    prompts = (Text("pads"), Audio(piano, 0.5))
    mix = PromptMix.of(prompts, toy.format)
    assert [(part.name, part.weight) for part in mix.parts] == [("pads", 1.0), ("piano.ogg", 0.5)]
    row = Session(LocalRunner(toy), [{"prompts": prompts}]).controls[0]
    controls = mix.controls(toy.format)
    assert np.array_equal(controls["clips"], row["clips"])
    assert np.allclose(controls["clip_weights"], row["clip_weights"])
    again = PromptMix.read(row)
    assert again.parts[1].name == f"audio ({len(row['clips'])} clips)"
    assert np.allclose(again.controls(toy.format)["clip_weights"], row["clip_weights"])
    assert PromptMix.read({"seed": 1}) is None
