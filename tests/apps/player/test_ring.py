"""The ring: what is written is heard, and whatever happens nothing clicks, waits or allocates."""

import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.apps.player.ring import Ring

FADE = 8
ROOM = 400
# The steepest step of a fade of so many samples over a constant.
STEEPEST = np.max(np.diff(np.sin((np.arange(-1, FADE + 1) + 0.5) / FADE * np.pi / 2) ** 2)) + 1e-6


def ring(room=ROOM):
    return Ring(room, 2, FADE)


def hum(samples, loudness=1.0):
    return np.full((samples, 2), loudness, np.float32)


def count_from(start, samples):
    return np.repeat(np.arange(start, start + samples, dtype=np.float32)[:, None], 2, axis=1)


def heard(from_ring, samples):
    out = np.full((samples, 2), np.nan, np.float32)
    from_ring.fill(out)
    return out


def test_what_is_written_is_heard_in_order_and_once():
    made, rng = ring(), np.random.default_rng(0)
    out, written = [], 0
    made.write(count_from(0, 100))
    written = 100
    for _ in range(300):
        size = int(rng.integers(1, 60))
        if size <= made.room_samples:
            made.write(count_from(written, size))
            written += size
        take = min(int(rng.integers(1, 60)), max(0, made.buffered_samples - FADE))
        out.append(heard(made, take))
    played = np.concatenate(out)
    assert len(played) > 10 * ROOM
    assert np.array_equal(played[FADE:], count_from(FADE, len(played) - FADE))
    assert made.underruns == 0


def test_music_begins_and_ends_in_silence_without_a_jump():
    made = ring()
    made.write(hum(100))
    made.end()
    played = np.concatenate([[[0, 0]], heard(made, 200)])
    assert np.abs(np.diff(played, axis=0)).max() <= STEEPEST
    assert np.count_nonzero(played[:, 0]) == made.heard_samples == 100
    assert made.finished
    assert made.underruns == 0


def test_music_that_comes_too_late_is_counted_once_and_its_silence_to_the_sample():
    made = ring()
    made.write(hum(100))
    out = [heard(made, 30) for _ in range(10)]
    assert (made.underruns, made.silent_samples) == (1, 300 - 100)
    made.write(hum(100))
    out.append(heard(made, 40))
    assert (made.underruns, made.silent_samples) == (1, 200)
    played = np.concatenate(out)[:, 0]
    assert np.abs(np.diff(played)).max() <= STEEPEST
    assert played[-1] == 1.0
    heard(made, 100)
    assert made.underruns == 2


def test_a_pause_is_no_underrun_and_loses_no_sample():
    made = ring()
    made.write(count_from(0, 200))
    before = heard(made, 50)
    made.pause()
    silence = heard(made, 100)
    assert made.paused
    assert not silence[FADE:].any()
    made.pause(False)
    after = heard(made, 50)
    assert np.array_equal(after[FADE:, 0], count_from(50 + 2 * FADE, 50 - FADE)[:, 0])
    assert before[-1, 0] == 49
    assert (made.underruns, made.silent_samples) == (0, 0)


def test_nothing_of_a_pause_before_the_music_is_an_underrun():
    made = ring()
    heard(made, 100)
    assert (made.underruns, made.silent_samples) == (0, 0)


def test_a_cut_fades_from_what_was_to_what_comes():
    made = ring()
    made.write(hum(200, 1.0))
    heard(made, 20)
    made.cut()
    assert made.buffered_samples == 0
    made.write(hum(100, 0.5))
    assert made.buffered_samples == 100
    played = heard(made, 60)[:, 0]
    assert np.abs(np.diff(played)).max() <= STEEPEST
    assert played[-1] == 0.5
    assert played.min() < 0.05
    assert made.underruns == 0


def test_a_stop_fades_out_and_is_the_end():
    made = ring()
    made.write(hum(300))
    before = heard(made, 20)
    made.stop()
    assert not made.finished
    played = np.concatenate([before, heard(made, 50)])[:, 0]
    assert np.abs(np.diff(played)).max() <= STEEPEST
    assert made.finished
    assert not heard(made, 10).any()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 80)),
        st.tuples(st.just("fill"), st.integers(1, 60)),
        st.tuples(st.sampled_from(["pause", "go on", "cut"]), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_whatever_is_done_to_it_nothing_jumps_and_every_sample_is_accounted_for(steps):
    made, out, written = ring(), [np.zeros((1, 2), np.float32)], 0
    do = {"pause": made.pause, "go on": lambda: made.pause(False), "cut": made.cut}
    for what, size in steps:
        if what == "write" and size <= made.room_samples:
            made.write(hum(size))
            written += size
        elif what == "fill":
            out.append(heard(made, size))
        elif what in do:
            do[what]()
    made.stop()
    out.append(heard(made, 2 * FADE))
    played = np.concatenate(out)
    assert np.isfinite(played).all()
    assert np.abs(np.diff(played, axis=0)).max() <= STEEPEST
    assert made.finished
    assert np.count_nonzero(played[:, 0]) == made.heard_samples <= written


def test_there_is_no_room_for_more_than_there_is():
    made = ring()
    made.write(hum(ROOM - 10))
    with pytest.raises(ValueError, match="no room for 11 samples, only for 10"):
        made.write(hum(11))


def test_meters_show_what_is_heard():
    made = ring()
    assert made.peaks(10).tolist() == [0, 0]
    block = hum(200, 0.25)
    block[:, 1] = -0.5
    made.write(block)
    heard(made, 100)
    assert made.peaks(50).tolist() == [0.25, 0.5]
    made.pause()
    heard(made, 50)
    assert made.peaks(50).tolist() == [0, 0]


def test_reading_allocates_nothing_of_the_size_of_the_audio():
    made = Ring(400_000, 2, 4800)
    made.write(hum(390_000))
    out = np.zeros((32_768, 2), np.float32)
    made.fill(out)
    tracemalloc.start()
    try:
        for _ in range(15):  # through playing, lateness and silence
            made.fill(out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made.underruns == 1
    assert peak < 4096 < out.nbytes / 16


def test_a_thread_may_write_while_another_reads():
    made, total, out = ring(), 40_000, []

    def write():
        at = 0
        while at < total:
            size = min(made.room_samples, total - at, 97)
            made.write(count_from(at, size))
            at += size

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive() or made.buffered_samples > 2 * FADE:
        ready = made.buffered_samples - FADE
        if ready > 0:
            out.append(heard(made, min(ready, 61)))
    writer.join()
    played = np.concatenate(out)[:, 0]
    assert made.underruns == 0
    assert np.array_equal(played[FADE:], np.arange(FADE, len(played), dtype=np.float32))
    assert len(played) >= total - 2 * FADE
